/** What lies around a batch in the message that it came in, if no other large batch does. */
const slackBytes = 1024;

/**
 * The same bytes in memory that no other batch lies in. Copied only where they may share it, with other batches of a frame
 * (which would keep all of it for as long as one of them is cached). At most one part of a buffer is larger than the slack and
 * leaves no more than the slack over: whatever else lies in it is smaller, and is copied.
 */
export function ownMemory(bytes: Uint8Array): Uint8Array {
  const isAlone = bytes.length > slackBytes && bytes.buffer.byteLength - bytes.length <= slackBytes;
  return isAlone ? bytes : new Uint8Array(bytes);
}

/** Gives the memory of such bytes back at once, and not when the heap is collected. Whoever looks at them now finds none. */
export function freeMemory(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer) bytes.buffer.transfer(0);
}
