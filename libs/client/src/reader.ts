import { faults, Gate, jittered, MoldauError, sleep } from '@moldau/kernel';
import type { ClientPorts } from './client-ports.ts';
import { FetchLink } from './fetch-link.ts';
import type { Fetched, FetchSource } from './fetch-source.ts';
import type { Place } from './place.ts';

const firstPauseMs = 20;
const lastPauseMs = 1_000;

/** What nobody has taken, and the link that it came by. */
interface Arrived {
  readonly fetched: Fetched;
  readonly sender: FetchLink;
}

/** For whom partitions come and go. */
export interface ReaderOptions {
  /** Having none is no end. Default false. */
  readonly isEndless?: boolean;
  /** What is no reason to stop reading the others: it is logged. Default: nothing. */
  readonly tolerates?: (error: MoldauError) => boolean;
}

const never = (): boolean => false;

/**
 * Reads many partitions at once, wherever they are led. Holds at most `bufferBytes` that nobody has taken: what is taken
 * gives the server credit for more.
 */
export class Reader {
  readonly #ports: ClientPorts;
  readonly #bufferBytes: number;
  readonly #tolerates: (error: MoldauError) => boolean;
  readonly #isEndless: boolean;
  readonly #sources = new Set<FetchSource>();
  readonly #links = new Map<string, FetchLink>();
  readonly #changed = new Gate();
  readonly #closing = new AbortController();
  #buffer: Arrived[] = [];
  /** What can't be read where it stands, and why. */
  readonly #broken = new Map<FetchSource, MoldauError>();

  constructor(ports: ClientPorts, bufferBytes: number, { isEndless = false, tolerates = never }: ReaderOptions = {}) {
    this.#isEndless = isEndless;
    this.#ports = ports;
    this.#bufferBytes = bufferBytes;
    this.#tolerates = tolerates;
  }

  get sources(): Iterable<FetchSource> {
    return this.#sources;
  }

  /** Begins to read a partition. */
  add(source: FetchSource): void {
    this.#sources.add(source);
    if (source.isDone) return;
    this.#begin(source);
  }

  /** Reads a partition no more; what is buffered of it is dropped. Whoever waits looks again. */
  remove(source: FetchSource): void {
    if (!this.#sources.delete(source)) return;
    this.#broken.delete(source);
    this.#dropBuffered(source);
    this.#linkOf(source)?.remove(source);
    this.#changed.open();
  }

  /** Goes on elsewhere; what is buffered of it is dropped. */
  seek(source: FetchSource, to: Place): void {
    source.seek(to);
    source.isAtEnd = false;
    this.#dropBuffered(source);
    this.#linkOf(source)?.seek(source);
    // It was given up where it stood before.
    if (this.#broken.delete(source)) this.#begin(source);
  }

  #begin(source: FetchSource): void {
    this.#attach(source).catch((error: unknown) => this.#break(source, error));
  }

  pause(source: FetchSource): void {
    source.isPaused = true;
    this.#linkOf(source)?.pause(source);
  }

  resume(source: FetchSource): void {
    source.isPaused = false;
    this.#linkOf(source)?.resume(source);
  }

  /** True when every source has been read to its end, or to where it was to stop, and nothing is buffered. */
  get isAtEnd(): boolean {
    if (this.#buffer.length > 0) return false;
    return [...this.#sources].every((source) => source.isDone || source.isAtEnd);
  }

  /** Of what was fetched, and not taken. */
  get bufferedBytes(): number {
    return this.#buffer.reduce((sum, { fetched }) => sum + fetched.batches.length, 0);
  }

  get #isDone(): boolean {
    return !this.#isEndless && [...this.#sources].every((source) => source.isDone);
  }

  /** What came next, of whichever partition. `undefined`: every source is done, or `signal` was aborted. Throws what broke it. */
  async next(signal?: AbortSignal): Promise<Fetched | undefined> {
    return (await this.arrived(signal)) ? this.take() : undefined;
  }

  /** Resolves when there is something to take. False: every source is done, or `signal` was aborted. Throws what broke it. */
  async arrived(signal?: AbortSignal): Promise<boolean> {
    while (this.#buffer.length === 0) {
      for (const error of this.#broken.values()) throw error;
      if (signal?.aborted || this.#closing.signal.aborted || this.#isDone) return false;
      await this.#change(signal);
    }
    return true;
  }

  /** Resolves when something has changed: records came, or the end. */
  async #change(signal: AbortSignal | undefined): Promise<void> {
    const wake = (): void => this.#changed.open();
    signal?.addEventListener('abort', wake, { once: true });
    await this.#changed.wait();
    signal?.removeEventListener('abort', wake);
  }

  close(): void {
    this.#closing.abort();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    this.#buffer = [];
    this.#changed.open();
  }

  /** What has come, and was not taken. */
  take(): Fetched | undefined {
    const arrived = this.#buffer.shift();
    if (arrived !== undefined) this.#giveBack(arrived);
    return arrived?.fetched;
  }

  #giveBack({ fetched, sender }: Arrived): void {
    // The link that it came by may be over: whoever reads the partition now was given less for it.
    const link = sender.isOver ? this.#linkOf(fetched.source) : sender;
    link?.credit(fetched.batches.length);
  }

  #dropBuffered(source: FetchSource): void {
    for (const arrived of this.#buffer) if (arrived.fetched.source === source) this.#giveBack(arrived);
    this.#buffer = this.#buffer.filter(({ fetched }) => fetched.source !== source);
  }

  #linkOf(source: FetchSource): FetchLink | undefined {
    for (const link of this.#links.values()) if (link.has(source)) return link;
    return undefined;
  }

  /** Finds the leader and joins its link; tries until there is one. */
  async #attach(source: FetchSource): Promise<void> {
    const { metadata, random, timers, timeoutMs } = this.#ports;
    let pauseMs = firstPauseMs;
    await this.#refresh(source, () => metadata.topic(source.topic, { autoCreate: false, timeoutMs }));
    while (this.#sources.has(source) && !this.#closing.signal.aborted) {
      const leader = metadata.leader(source.topic, source.partition);
      const topic = metadata.known(source.topic);
      if (leader !== undefined && topic !== undefined && source.isOf(topic.id))
        return this.#link(leader.address).add(source, topic.id);
      await sleep(timers, jittered(random, pauseMs), this.#closing.signal).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, lastPauseMs);
      await this.#refresh(source, () => metadata.refresh(source.topic, { autoCreate: false, timeoutMs }));
      const found = metadata.known(source.topic);
      if (found !== undefined && !source.isOf(found.id)) throw faults.unknownTopic(source.topic);
      if (found !== undefined && found.partitions[source.partition] === undefined)
        throw faults.unknownPartition(source.topic, source.partition, found.partitions.length);
    }
  }

  /** A cluster that is out of reach is waited for, if it was ever there: a reader has all the time that its user has. */
  async #refresh(source: FetchSource, ask: () => Promise<unknown>): Promise<void> {
    try {
      await ask();
    } catch (error) {
      const mayPass = error instanceof MoldauError && error.retriable;
      if (!mayPass || this.#ports.metadata.known(source.topic) === undefined) throw error;
    }
  }

  #link(address: string): FetchLink {
    const known = this.#links.get(address);
    if (known !== undefined && !known.isOver) return known;
    const channel = this.#ports.connections.to(address, 'data');
    const creditBytes = Math.max(1, this.#bufferBytes - this.bufferedBytes);
    const link: FetchLink = new FetchLink(channel, this.#ports, creditBytes, {
      fetched: (fetched) => this.#fetched(link, fetched),
      caughtUp: (source) => {
        source.isAtEnd = true;
        this.#changed.open();
      },
      gap: (source, from, to) => this.#tellGap(source, from, to),
      lost: (source, error) => void this.#again(source, error).catch((cause: unknown) => this.#break(source, cause)),
      ended: () => {
        if (this.#links.get(address) === link) this.#links.delete(address);
      },
    });
    this.#links.set(address, link);
    return link;
  }

  #fetched(link: FetchLink, fetched: Fetched): void {
    const { source } = fetched;
    source.isAtEnd = false;
    if (source.isDone) link.remove(source);
    if (fetched.isEmpty) link.credit(fetched.batches.length);
    else this.#buffer.push({ fetched, sender: link });
    this.#changed.open();
  }

  /** A source was lost: refreshes what is known, and reads on where it stands, unless that can't help. */
  async #again(source: FetchSource, error: MoldauError): Promise<void> {
    if (!this.#sources.has(source) || source.isDone || this.#closing.signal.aborted) return;
    if (!this.#skipsWhatIsGone(source, error) && !isCurable(error)) throw error;
    const { metadata, random, timers, timeoutMs } = this.#ports;
    await sleep(timers, jittered(random, firstPauseMs * 5), this.#closing.signal).catch(() => {});
    if (this.#closing.signal.aborted) return;
    await this.#refresh(source, () => metadata.refresh(source.topic, { autoCreate: false, timeoutMs }));
    await this.#attach(source);
  }

  /** Retention passed a reader while it was away: a gap, as it would have been in a session. */
  #skipsWhatIsGone(source: FetchSource, error: MoldauError): boolean {
    if (error.reason !== 'OFFSET_OUT_OF_RANGE' || source.next === undefined) return false;
    const start = BigInt(error.fields.start ?? 0);
    if (start <= source.next) return false;
    this.#tellGap(source, source.next, start);
    source.skipTo(start);
    return true;
  }

  #tellGap(source: FetchSource, from: bigint, to: bigint): void {
    this.#ports.logger.warn('records were removed before they were read', { partition: source.name, from, to });
  }

  #break(source: FetchSource, error: unknown): void {
    if (!this.#sources.has(source) || this.#closing.signal.aborted) return;
    const reason = ofPartition(source.name, error);
    if (this.#tolerates(reason)) {
      this.#ports.logger.warn('a partition can not be read any more', { partition: source.name, error: reason });
      return;
    }
    this.#broken.set(source, reason);
    this.#changed.open();
  }
}

const isCurable = ({ retriable, reason }: MoldauError): boolean => retriable || reason === 'UNKNOWN_TOPIC';

/** The same, and says of which partition. */
function ofPartition(name: string, error: unknown): MoldauError {
  if (!(error instanceof MoldauError)) return new MoldauError('INTERNAL', `${name}: ${error}`, {}, { cause: error });
  const { reason, message, fields } = error;
  const saysSo = reason === 'UNKNOWN_TOPIC' || message.includes(name);
  return saysSo ? error : new MoldauError(reason, `${name}: ${message}`, fields, { cause: error });
}
