import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../free-ports.ts';
import { TiedProcess } from '../tied-process.ts';
import { findEtcd } from './find-etcd.ts';

/** What a test wants otherwise than usual. */
export interface EtcdSetup {
  /** Flags that etcd 3.4 and 3.6 know. */
  readonly flags?: readonly string[];
  /** Serve clients over TLS; the flags name the certificates. */
  readonly tls?: boolean;
}

type Ports = { readonly clients: number; readonly peers: number };

const attempts = 5;

/** An etcd, empty, on a free port and in a folder of its own. It dies with the thread that started it. */
export class EtcdProcess {
  readonly port: number;
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #directory: string;
  #process: TiedProcess | undefined;

  private constructor(program: string, directory: string, port: number, args: readonly string[]) {
    this.#program = program;
    this.#directory = directory;
    this.port = port;
    this.#args = args;
  }

  /** One that is alone. Resolves when it serves. */
  static async start(setup: EtcdSetup = {}): Promise<EtcdProcess> {
    const [only] = await EtcdProcess.startCluster(1, setup);
    return only as EtcdProcess;
  }

  /** So many that form a cluster. Resolves when all of them serve. */
  static async startCluster(members: number, setup: EtcdSetup = {}): Promise<EtcdProcess[]> {
    const program = await findEtcd();
    for (let attempt = 1; ; attempt++) {
      const cluster = await EtcdProcess.#prepare(program, members, setup);
      const started = await Promise.allSettled(cluster.map((etcd) => etcd.start()));
      const failed = started.find((result) => result.status === 'rejected');
      if (failed === undefined) return cluster;
      await Promise.all(cluster.map((etcd) => etcd.close()));
      // Between finding a free port and using it, somebody else may take it.
      if (!String(failed.reason).includes('address already in use') || attempt === attempts) throw failed.reason;
    }
  }

  static async #prepare(program: string, members: number, { flags = [], tls = false }: EtcdSetup) {
    const found = await freePorts(2 * members);
    const ports = Array.from(
      { length: members },
      (_, i): Ports => ({ clients: found[2 * i] ?? 0, peers: found[2 * i + 1] ?? 0 }),
    );
    const peerUrl = ({ peers }: Ports): string => `http://127.0.0.1:${peers}`;
    const initial = ports.map((one, i) => `m${i}=${peerUrl(one)}`).join(',');
    return Promise.all(
      ports.map(async (own, i) => {
        const directory = await mkdtemp(join(tmpdir(), 'moldau-etcd-'));
        const clientUrl = `${tls ? 'https' : 'http'}://127.0.0.1:${own.clients}`;
        return new EtcdProcess(program, directory, own.clients, [
          ...['--name', `m${i}`, '--data-dir', join(directory, 'data'), '--initial-cluster', initial],
          ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
          ...['--listen-peer-urls', peerUrl(own), '--initial-advertise-peer-urls', peerUrl(own)],
          ...flags,
        ]);
      }),
    );
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Starts it again after a kill, with what it has on disk, on the same port. Resolves when it serves. */
  async start(): Promise<void> {
    this.#process = new TiedProcess(this.#program, this.#args);
    await this.#process.says(/ready to serve client requests/);
  }

  /** SIGSTOP: its connections stay, and nobody answers. */
  pause(): void {
    this.#process?.pause();
  }

  /** SIGCONT. */
  resume(): void {
    this.#process?.resume();
  }

  /** SIGKILL: nothing is flushed, nothing is said. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Kills it, and removes what it has on disk. */
  async close(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
