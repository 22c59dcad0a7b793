import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Latencies, ProcessUse } from '@moldau/bench';
import { type Child, start } from '@moldau/measure-tool/children';
import { runClientScript } from '../client-process.ts';
import type { BareTask } from './bare-client.ts';

/** What one measurement of the bare stream came to. */
export interface BareReport extends ProcessUse {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly bytes: number;
  readonly latencies: Latencies;
}

const here = (script: string): URL => new URL(script, import.meta.url);

/** What a system like ours could reach at most here: a gRPC stream that moves frames, and a file that is appended to. */
export class Ceiling {
  readonly #directory: string;
  readonly #early: boolean;
  readonly #server: Child;
  readonly #port: number;

  private constructor(directory: string, early: boolean, server: Child, port: number) {
    this.#directory = directory;
    this.#early = early;
    this.#server = server;
    this.#port = port;
  }

  /** `early`: both ends collect buffers while they are young, as ours do. */
  static async start(directory: string, early: boolean): Promise<Ceiling> {
    const server = start([fileURLToPath(here('bare-server.ts')), JSON.stringify({ directory, early })]);
    for await (const line of server.stdout as AsyncIterable<Buffer>) {
      const { port } = JSON.parse(String(line)) as { port: number };
      return new Ceiling(directory, early, server, port);
    }
    throw new Error('the bare server has ended');
  }

  /** Bytes a second from a client to the server, in frames of that size, each acknowledged. */
  async upload(bytes: number, frameBytes: number): Promise<number> {
    return this.#rate({ mode: 'upload', frames: Math.ceil(bytes / frameBytes), frameBytes }, bytes);
  }

  /** Bytes a second from the server to a client. */
  async download(bytes: number, frameBytes: number): Promise<number> {
    return this.#rate({ mode: 'download', frames: Math.ceil(bytes / frameBytes), frameBytes }, bytes);
  }

  /** Bytes a second of a file that the server reads and sends. */
  async file(path: string, frameBytes: number): Promise<number> {
    const report = await this.#run({ mode: 'file', frames: 0, frameBytes, path });
    return report.bytes / seconds(report);
  }

  /** How long a record takes to the server, onto its disk, and back. */
  async echo(perSecond: number, forSeconds: number, frameBytes: number): Promise<Latencies> {
    const { latencies } = await this.#run({ mode: 'echo', frames: perSecond * forSeconds, frameBytes, perSecond });
    await rm(join(this.#directory, 'echo'), { force: true });
    return latencies;
  }

  /** Bytes a second that can be appended and synced. */
  async disk(bytes: number, pieceBytes: number): Promise<number> {
    const args = { directory: this.#directory, bytes, pieceBytes };
    const { seconds: took } = await runClientScript<{ seconds: number }>(here('bare-disk.ts'), args);
    return bytes / took;
  }

  stop(): void {
    this.#server.kill();
  }

  async #rate(task: Omit<BareTask, 'port' | 'early'>, bytes: number): Promise<number> {
    return bytes / seconds(await this.#run(task));
  }

  #run(task: Omit<BareTask, 'port' | 'early'>): Promise<BareReport> {
    return runClientScript(here('bare-client.ts'), { port: this.#port, early: this.#early, ...task });
  }
}

const seconds = ({ startedAtMs, endedAtMs }: BareReport): number => (endedAtMs - startedAtMs) / 1000;
