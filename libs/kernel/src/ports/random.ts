/** Random numbers: of the system in production, of a seed in the simulator. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** Fresh random bytes. */
  bytes(length: number): Uint8Array;
}

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';

/** A random name of `length` characters of 0–9 and a–z: 5.2 bits each. 20 of them never meet by chance. */
export function randomName(random: Random, length = 20): string {
  let name = '';
  while (name.length < length) {
    for (const byte of random.bytes(length)) {
      if (byte < 252 && name.length < length) name += alphabet[byte % 36];
    }
  }
  return name;
}

/** `ms` less up to half of it, so that many clients do not come back in one moment. */
export const jittered = (random: Random, ms: number): number => ms * (0.5 + random.next() / 2);
