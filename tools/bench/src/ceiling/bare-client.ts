// A client of the bare stream, for one measurement.
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { epochMs, LatencyCollector, ProcessWatch, paced } from '@moldau/bench';
import { collectEarly } from '@moldau/host';
import { found, given } from '@moldau/measure-tool/children';
import { type BareMode, bareService, windowBytes } from './bare-stream.ts';

/** What it is to do. `path`: of the file that the server sends. */
export interface BareTask {
  readonly port: number;
  readonly mode: BareMode;
  readonly frames: number;
  readonly frameBytes: number;
  readonly path?: string;
  readonly perSecond?: number;
  /** With the care for buffers that ours has. */
  readonly early: boolean;
}

const { port, mode, frames, frameBytes, path = '', perSecond = 0, early } = given<BareTask>();
const moved = early ? collectEarly() : () => {};
const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
  'grpc.max_receive_message_length': -1,
  'grpc-node.flow_control_window': windowBytes,
});
await new Promise<void>((resolve, reject) =>
  client.waitForReady(Date.now() + 10_000, (error) => (error === undefined ? resolve() : reject(error))),
);
const metadata = new Metadata();
for (const [key, value] of Object.entries({ mode, frames: String(frames), bytes: String(frameBytes), path }))
  metadata.set(key, value);
const { move } = bareService;
const watch = new ProcessWatch();
const startedAtMs = epochMs();
const call = client.makeBidiStreamRequest(move.path, move.requestSerialize, move.responseDeserialize, metadata);
const latencies = new LatencyCollector();
const dueAt: number[] = [];
let came = 0;
let bytes = 0;
const ended = new Promise<void>((resolve, reject) => {
  call.on('data', (frame: Buffer) => {
    moved(frame.length);
    const due = dueAt[came];
    if (due !== undefined) latencies.add(performance.now() - due);
    came += 1;
    bytes += frame.length;
  });
  call.on('error', reject);
  call.on('end', resolve);
});

const frame = Buffer.alloc(frameBytes, 7);
if (mode === 'upload') {
  for (let i = 0; i < frames; i += 1) {
    moved(frame.length);
    if (!call.write(frame)) await new Promise<void>((resolve) => call.once('drain', resolve));
  }
} else if (mode === 'echo') {
  await paced(frames, perSecond, (_, due) => {
    dueAt.push(due);
    call.write(frame);
  });
}
call.end();
await ended;
const isWhole = mode === 'file' ? bytes > 0 : came === frames;
if (!isWhole) throw new Error(`${mode}: ${came} of ${frames} frames came back`);
found({ ...watch.stop(), startedAtMs, endedAtMs: epochMs(), bytes, latencies: latencies.latencies });
process.exit();
