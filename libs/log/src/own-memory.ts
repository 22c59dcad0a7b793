/** What may lie around the bytes of a batch in the message that it came in. */
const slackBytes = 1024;

/**
 * The same bytes in memory that nothing else lies in. Copied only where they share it: with other batches of a frame, which
 * would keep all of it for as long as one of them is cached.
 */
export function ownMemory(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength - bytes.length <= slackBytes ? bytes : new Uint8Array(bytes);
}

/** Gives the memory of such bytes back at once, and not when the heap is collected. Whoever looks at them now finds none. */
export function freeMemory(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer) bytes.buffer.transfer(0);
}
