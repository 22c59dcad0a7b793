import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** What is asked of a run. */
export interface Options {
  /** Names of parts, in order. */
  readonly parts: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  /** Names of peers. */
  readonly peers: readonly string[];
  /** A file for every run of every figure. */
  readonly json: string | undefined;
  readonly check: boolean;
  readonly record: boolean;
}

/** What there is to choose from. */
export interface Choices {
  readonly parts: readonly string[];
  readonly peers: readonly string[];
}

/** Options that can't be. The message is one line. */
export class WrongOption extends Error {
  override readonly name = 'WrongOption';
}

const quickParts = ['small', 'medium', 'latency'];
const full = { rounds: 5, seconds: 5 };
const quick = { rounds: 3, seconds: 1.5 };

export const help = ({ parts, peers }: Choices): string => `npm run bench -- [OPTION …]

  --quick          ours and the ceiling alone, under four minutes
  --only PARTS     with commas: ${parts.join(', ')}
  --peers NAMES    with commas, of ${peers.join(', ')}
  --rounds NUMBER  how often (${full.rounds}; ${quick.rounds} with --quick)
  --seconds NUMBER how long a run is (${full.seconds}; ${quick.seconds} with --quick)
  --json FILE      every run of every figure
  --check          exit code 1 when a ratio to the ceiling is worse than the recorded one by more than a third
  --record         records the ratios to the ceiling`;

/** Reads the arguments. `undefined`: help was asked for. Throws {@link WrongOption}. */
export function optionsOf(args: readonly string[], choices: Choices): Options | undefined {
  const given = parsed(args);
  if (given.help) return undefined;
  const plan = given.quick ? quick : full;
  if (given.json !== undefined && !existsSync(dirname(resolve(given.json))))
    throw new WrongOption(`--json ${given.json}: there is no such folder`);
  return {
    parts: given.only === undefined ? (given.quick ? quickParts : choices.parts) : partsOf(given.only, choices.parts),
    rounds: numberOf('--rounds', given.rounds, plan.rounds, (value) => Number.isSafeInteger(value) && value >= 1),
    seconds: numberOf('--seconds', given.seconds, plan.seconds, (value) => Number.isFinite(value) && value > 0),
    peers: given.peers === undefined ? (given.quick ? [] : choices.peers) : peersOf(given.peers, choices.peers),
    json: given.json,
    check: given.check,
    record: given.record,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        peers: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        json: { type: 'string' },
        check: { type: 'boolean', default: false },
        record: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    // What follows the first sentence speaks of arguments that are no options, which there are not.
    const [problem] = (error instanceof Error ? error.message : String(error)).split(/\. |\n/);
    throw new WrongOption(`${problem}: --help shows what there is`);
  }
}

const namesOf = (text: string): string[] => text.split(',').map((name) => name.trim());

function partsOf(text: string, parts: readonly string[]): string[] {
  const names = namesOf(text);
  const unknown = names.find((name) => !parts.includes(name));
  if (unknown !== undefined) throw new WrongOption(`--only ${text}: no part ${unknown}: use ${parts.join(', ')}`);
  return names;
}

/** A part of a name will do. */
function peersOf(text: string, peers: readonly string[]): string[] {
  const found = namesOf(text).map((name) => {
    const peer = peers.find((one) => name !== '' && one.toLowerCase().includes(name.toLowerCase()));
    if (peer === undefined) throw new WrongOption(`--peers ${text}: no peer ${name}: use ${peers.join(', ')}`);
    return peer;
  });
  return peers.filter((peer) => found.includes(peer));
}

function numberOf(flag: string, text: string | undefined, usual: number, isGood: (value: number) => boolean): number {
  if (text === undefined) return usual;
  const value = Number(text);
  if (text.trim() !== '' && isGood(value)) return value;
  throw new WrongOption(`${flag} ${text}: use a ${flag === '--rounds' ? 'whole number from 1 on' : 'number above 0'}`);
}
