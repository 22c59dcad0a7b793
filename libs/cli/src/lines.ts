import type { Readable } from 'node:stream';
import { CommandFailed, exitCode } from './exit-code.ts';

const newline = 0x0a;

/** The lines of a stream as bytes, without their newline. The last one needs none. Throws above `maxBytes` a line. */
export async function* linesOf(input: Readable, maxBytes: number): AsyncGenerator<Uint8Array[]> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      lines.push(bytes.subarray(start, end));
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > maxBytes) throw tooLong(maxBytes);
    if (lines.length > 0) yield lines;
  }
  if (rest.length > 0) yield [rest];
}

const tooLong = (maxBytes: number): CommandFailed =>
  new CommandFailed(exitCode.usage, `a line is longer than ${maxBytes} bytes: records are smaller than that`);
