import { assert, leaderEpoch, type Offset, offset } from '@moldau/kernel';
import type { PartitionLog } from '../../src/index.ts';
import { Bench } from './bench.ts';

/** One of two nodes that hold the same partition: its disk, its log, and what it must not lose. */
export class CopySide {
  readonly name: string;
  readonly bench: Bench;
  #log: PartitionLog | undefined;
  #boot = 1;
  /** Everything below was durable here, and not cut since. */
  durable = offset(0);
  /** A reset or a mark of damage may be on the disk. */
  mayBeCorrupt = false;

  constructor(name: string, seed: number, random: { below(limit: number): number }) {
    this.name = name;
    this.bench = new Bench(seed, { tailCacheBytes: random.below(2) === 0 ? 1 : 4_000, maxOpenFiles: 4 });
    this.bench.config = { ...this.bench.config, segmentBytes: random.below(2) === 0 ? 1_200 : 5_000 };
  }

  get log(): PartitionLog {
    assert(this.#log !== undefined, `${this.name} is open`);
    return this.#log;
  }

  get hasFailed(): boolean {
    return this.bench.directory?.failure !== undefined;
  }

  async start(): Promise<void> {
    const log = await this.bench.reopen({ bootId: `boot-${this.#boot}` });
    this.#log = log;
    const isCorrupt = log.found.state === 'corrupt';
    assert(isCorrupt === log.isCorrupt, `${this.name} is as corrupt as it was found`);
    assert(!isCorrupt || this.mayBeCorrupt, `${this.name} became corrupt: ${log.found.problem}`);
    assert(isCorrupt || log.logEnd >= this.durable, `${this.name} ends at ${log.logEnd}, not at ${this.durable}`);
    this.mayBeCorrupt = isCorrupt;
    this.durable = log.durableEnd;
    log.onDurable((end) => {
      // What is about to be cut may still be synced: that is no promise.
      if (this.#log === log && log.durableEnd === end && this.#cutTo === undefined) this.durable = end;
    });
    log.onDamage((range) => assert(false, `${this.name} found damage on a sound disk: ${range.from}…${range.to}`));
  }

  async stop(): Promise<void> {
    const { bench } = this;
    const dice = this.hasFailed ? 9 : bench.random.below(10);
    if (dice < 3 && this.#log !== undefined) await bench.close();
    bench.disk.heal();
    if (dice < 6) bench.disk.kill();
    else bench.disk.crash();
    if (dice >= 6) this.#boot += 1;
    this.#cutTo = undefined;
    bench.directory = undefined;
    this.#log = undefined;
  }

  async restart(): Promise<void> {
    await this.stop();
    // A process may end while it recovers, too.
    while (this.bench.random.chance(0.25)) {
      this.bench.open({ bootId: `boot-${this.#boot}` }).catch(() => {});
      await this.bench.time.runFor(this.bench.random.next() * 6);
      await this.stop();
    }
    await this.start();
  }

  #cutTo: Offset | undefined;

  /** Cuts or resets, to the end or to a stop in the middle of it. False: it was not done. */
  async cut(to: Offset, cut: (log: PartitionLog) => Promise<unknown>): Promise<boolean> {
    this.#cutTo = to;
    if (to < this.durable) this.durable = to;
    const done = await this.attempt(cut(this.log));
    this.#cutTo = undefined;
    if (done) this.durable = this.log.durableEnd;
    return done;
  }

  /** Waits for an operation, or ends the process in the middle of it. */
  async attempt(operation: Promise<unknown>): Promise<boolean> {
    const { random, time } = this.bench;
    if (random.chance(0.75)) {
      const outcome = await this.bench.run(
        operation.then(
          () => true,
          () => false,
        ),
      );
      if (!outcome && this.hasFailed) await this.restart();
      return outcome;
    }
    operation.catch(() => {});
    await time.runFor(random.next() * 5);
    await this.restart();
    return false;
  }

  /** The epochs that wrote something in [from, below), and the one that covers `from`. */
  epochsOf(from: Offset, below: Offset): { epoch: number; start: Offset }[] {
    const { log } = this;
    if (from >= below) return [];
    const first = { epoch: log.epochOf(from) ?? leaderEpoch(0), start: from };
    return [first, ...log.epochsWithin(offset(from + 1n), below)];
  }
}
