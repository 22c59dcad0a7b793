// A gRPC server that moves bytes and does nothing else: what ours could reach at most. Prints its port.
import { openSync, readSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { collectEarly } from '@moldau/host';
import { found, given } from '@moldau/measure-tool/children';
import { ackBytes, type BareMode, bareService, windowBytes } from './bare-stream.ts';

type Call = ServerDuplexStream<Buffer, Buffer>;

const { directory, early } = given<{ directory: string; early: boolean }>();
const moved = early ? collectEarly() : () => {};
const ack = Buffer.alloc(ackBytes);

/** The next write comes when there is room for it. */
async function writeAll(call: Call, frames: Iterable<Buffer>): Promise<void> {
  for (const frame of frames) {
    moved(frame.length);
    if (!call.write(frame)) await new Promise<void>((resolve) => call.once('drain', resolve));
  }
  call.end();
}

function* sameFrame(count: number, bytes: number): Generator<Buffer> {
  const frame = Buffer.alloc(bytes, 7);
  for (let i = 0; i < count; i += 1) yield frame;
}

function* framesOf(path: string, bytes: number): Generator<Buffer> {
  const file = openSync(path, 'r');
  const size = statSync(path).size;
  for (let at = 0; at < size; at += bytes) {
    const frame = Buffer.allocUnsafeSlow(Math.min(bytes, size - at));
    readSync(file, frame, 0, frame.length, at);
    yield frame;
  }
}

async function echo(call: Call): Promise<void> {
  const file = await open(join(directory, 'echo'), 'a');
  for await (const frame of call as AsyncIterable<Buffer>) {
    await file.write(frame);
    await file.datasync();
    call.write(frame);
  }
  await file.close();
  call.end();
}

function move(call: Call): void {
  const said = (key: string): string => String(call.metadata.get(key)[0]);
  const mode = said('mode') as BareMode;
  if (mode === 'upload') {
    call.on('data', (frame: Buffer) => {
      moved(frame.length);
      call.write(ack);
    });
    call.on('end', () => call.end());
  } else if (mode === 'download') {
    void writeAll(call, sameFrame(Number(said('frames')), Number(said('bytes'))));
  } else if (mode === 'file') {
    void writeAll(call, framesOf(said('path'), Number(said('bytes'))));
  } else {
    void echo(call);
  }
}

const server = new Server({
  'grpc.max_receive_message_length': -1,
  'grpc-node.flow_control_window': windowBytes,
});
// The library leaves the window of its server at 64 KiB: with that, a client waits for each of them.
const options = Reflect.get(server, 'commonServerOptions') as { settings: object };
options.settings = { ...options.settings, initialWindowSize: windowBytes };
const create = Reflect.get(server, 'createHttp2Server') as (...args: unknown[]) => import('node:http2').Http2Server;
Reflect.set(server, 'createHttp2Server', (...args: unknown[]) => {
  const http2Server = create.apply(server, args);
  http2Server.on('session', (session) => session.setLocalWindowSize(windowBytes));
  return http2Server;
});
server.addService(bareService, { move });
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  found({ port });
});
