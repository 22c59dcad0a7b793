/** Below so many bytes it costs less to encode a message again than to remember it. */
const worthBytes = 16 * 1024;

const received = new WeakMap<object, Uint8Array>();
const passedOn = new WeakSet<object>();

/** Remembers how a message came, for as long as anyone has it: its batches are views of these bytes anyway. */
export function noteReceived(message: object, bytes: Uint8Array): void {
  if (bytes.length >= worthBytes) received.set(message, bytes);
}

/**
 * Says that a message may leave as it came, without being encoded again: whoever calls this has changed nothing in it, and
 * gives it away. For a message that did not come from a session it changes nothing.
 */
export function asReceived<M extends object>(message: M): M {
  passedOn.add(message);
  return message;
}

/** The bytes of a message that is to leave as it came. `undefined`: it is to be encoded. */
export const bytesAsReceived = (message: object): Uint8Array | undefined =>
  passedOn.has(message) ? received.get(message) : undefined;
