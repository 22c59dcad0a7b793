import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults, hasReason, type Millis, type MoldauError, repeat } from '@moldau/kernel';
import type { FetchAdd, FetchSessionRequest, FetchSessionResponseSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import { asReceived, type Session, SessionLiveness, toWireError } from '@moldau/rpc';
import { CreditPool } from './credit-pool.ts';
import { type Arrival, FetchUpstream } from './fetch-upstream.ts';
import type { GatewayParts } from './parts.ts';
import { leaderById, movedFrom } from './routes.ts';

type Response = MessageInitShape<typeof FetchSessionResponseSchema>;
type Said = Extract<Arrival, { kind: 'said' }>['frame'];

/** A partition that the client reads, under the number that it has on both sides. */
interface Route {
  readonly number: number;
  readonly topicId: string;
  readonly partition: number;
  readonly upstream: FetchUpstream;
}

const maxHandles = 10_000;
const tickEveryMs: Millis = 500;

/**
 * One client's session of reads, carried on by a session with each node that leads one of its partitions. Nodes that have
 * sent something are served in turn. A client that does not read stops them: they are granted nothing more.
 */
export class FetchBridge {
  readonly #session: Session<Response, FetchSessionRequest>;
  readonly #parts: GatewayParts;
  readonly #routes = new Map<number, Route>();
  /** Those that take new partitions, by node. */
  readonly #upstreams = new Map<number, FetchUpstream>();
  /** Those of which something waits to be sent. */
  #turns: FetchUpstream[] = [];
  readonly #credit: CreditPool;
  readonly #liveness: SessionLiveness;
  #isCongested = false;
  /** Bytes that the transport has, but not the room for. */
  #heldBytes = 0;

  constructor(session: Session<Response, FetchSessionRequest>, parts: GatewayParts) {
    this.#session = session;
    this.#parts = parts;
    this.#credit = new CreditPool(parts.windowBytes, parts.fetchBudget);
    this.#liveness = new SessionLiveness(parts.clock, 'client');
  }

  /** Serves the session until the client has ended it, or until the stream broke. */
  async run(): Promise<void> {
    const cancelTick = repeat(this.#parts.timers, tickEveryMs, () => this.#tick());
    try {
      for await (const { frame } of this.#session.incoming) {
        this.#liveness.heard();
        this.#receive(frame);
      }
      this.#session.end();
    } finally {
      cancelTick();
      for (const upstream of new Set([...this.#turns, ...this.#upstreams.values()])) this.#leave(upstream);
      this.#release();
    }
  }

  /** Asks the client to go elsewhere. */
  drain(graceMs: Millis): void {
    this.#say({ case: 'drain', value: { graceMs } });
  }

  #receive(frame: FetchSessionRequest['frame']): void {
    switch (frame.case) {
      case 'add':
        return this.#add(frame.value);
      case 'remove':
        return this.#remove(frame.value.handle);
      case 'pause':
      case 'resume':
      case 'seek':
        return this.#routes.get(frame.value.handle)?.upstream.say(frame);
      case 'credit':
        this.#credit.give(frame.value.bytes);
        return this.#pump();
      case 'heartbeat':
      case undefined:
        return;
    }
  }

  #add(request: FetchAdd): void {
    const { handle: number, topicId, partition } = request;
    try {
      if (this.#routes.has(number)) throw faults.invalidRequest('handle', `${number} is in use`);
      if (this.#routes.size >= maxHandles) throw faults.invalidRequest('handle', `is one above ${maxHandles}`);
      const { node, address } = leaderById(this.#parts.view, topicId, partition);
      const upstream = this.#upstream(node, address);
      this.#routes.set(number, { number, topicId, partition, upstream });
      upstream.handles += 1;
      upstream.say({ case: 'add', value: request });
      this.#grant();
    } catch (error) {
      this.#refuse(number, this.#parts.seal(error));
    }
  }

  #upstream(node: number, address: string): FetchUpstream {
    const known = this.#upstreams.get(node);
    if (known !== undefined && !known.isOver) return known;
    const channel = this.#parts.connections.to(address, 'data');
    const upstream: FetchUpstream = new FetchUpstream(node, channel, this.#parts.clock, {
      seal: (error) => this.#parts.seal(error),
      arrived: (arrival) => this.#arrived(upstream, arrival),
    });
    this.#upstreams.set(node, upstream);
    this.#credit.add(upstream.line);
    return upstream;
  }

  #remove(number: number): void {
    const route = this.#routes.get(number);
    if (route === undefined) return;
    route.upstream.say({ case: 'remove', value: { handle: number } });
    this.#forget(route);
  }

  #forget({ number, upstream }: Route): void {
    this.#routes.delete(number);
    upstream.handles -= 1;
    if (upstream.handles === 0) this.#leave(upstream);
  }

  /** Nothing is read from a node any more: its credit is free for the others. */
  #leave(upstream: FetchUpstream): void {
    this.#retire(upstream);
    for (const arrival of upstream.waiting) if (arrival.kind === 'batches') this.#credit.free(arrival.bytes);
    upstream.close();
  }

  /** Nothing new is asked for on this session. */
  #retire(upstream: FetchUpstream): void {
    this.#credit.remove(upstream.line);
    if (this.#upstreams.get(upstream.node) === upstream) this.#upstreams.delete(upstream.node);
  }

  #arrived(upstream: FetchUpstream, arrival: Arrival): void {
    if (arrival.kind === 'batches') this.#credit.received(upstream.line, arrival.bytes);
    if (arrival.kind === 'lost') this.#retire(upstream);
    if (arrival.kind === 'lost' && !upstream.isDraining) this.#parts.metrics.lost('fetch');
    // Where partitions stand is no news to a client that has not heard of what stands before it.
    const isLate = upstream.waiting.length > 0 || this.#isCongested;
    if (isLate && arrival.kind === 'said' && arrival.frame.case === 'heartbeat') return;
    upstream.waiting.push(arrival);
    if (upstream.waiting.length === 1) this.#turns.push(upstream);
    this.#pump();
  }

  /** Sends what waits, a frame of each node in turn, while the client reads and has credit; then asks for more. */
  #pump(): void {
    for (let passedOver = 0; passedOver < this.#turns.length; ) {
      const upstream = this.#turns.shift();
      const arrival = upstream?.waiting[0];
      if (upstream === undefined || arrival === undefined) continue;
      if (this.#isCongested || (arrival.kind === 'batches' && this.#credit.leftBytes <= 0)) {
        this.#turns.push(upstream);
        passedOver += 1;
        continue;
      }
      passedOver = 0;
      upstream.waiting.shift();
      this.#deliver(upstream, arrival);
      if (upstream.waiting.length > 0) this.#turns.push(upstream);
    }
    this.#grant();
  }

  #deliver(upstream: FetchUpstream, arrival: Arrival): void {
    if (arrival.kind === 'said') return this.#pass(upstream, arrival.frame);
    if (arrival.kind === 'lost') return this.#moveAll(upstream, arrival.error);
    const { bytes, message } = arrival;
    const entries = arrival.entries.filter(({ handle }) => this.#routes.get(handle)?.upstream === upstream);
    for (const { batches } of entries) this.#credit.spend(batches.length);
    if (entries.length === 0) this.#credit.free(bytes);
    else if (entries.length === arrival.entries.length) this.#send(asReceived(message), bytes);
    else this.#send({ frame: { case: 'batches', value: { entries } } }, bytes);
  }

  /** Passes on what a node says of one of its partitions. */
  #pass(upstream: FetchUpstream, frame: Said): void {
    if (frame.case === 'drain') return;
    if (frame.case === 'heartbeat') {
      const positions = frame.value.positions.filter(({ handle }) => this.#routes.get(handle)?.upstream === upstream);
      return this.#say({ case: 'heartbeat', value: { positions } });
    }
    const route = this.#routes.get(frame.value.handle);
    if (route?.upstream !== upstream) return;
    this.#say(frame);
    if (frame.case === 'moved' || frame.case === 'error' || frame.case === 'diverged') this.#forget(route);
  }

  /** A node is lost: each of its partitions is to be looked for anew. */
  #moveAll(upstream: FetchUpstream, error: MoldauError): void {
    for (const route of [...this.#routes.values()]) {
      if (route.upstream !== upstream) continue;
      this.#routes.delete(route.number);
      const moved = movedFrom(upstream.node, this.#parts.view, route);
      if (moved !== undefined) this.#refuse(route.number, moved);
      else if (error.retriable) this.#say({ case: 'moved', value: { handle: route.number } });
      else this.#refuse(route.number, error);
    }
  }

  #refuse(handle: number, error: MoldauError): void {
    if (!hasReason(error, 'NOT_LEADER')) {
      this.#say({ case: 'error', value: { handle, error: toWireError(error) } });
      return;
    }
    const { leader } = error.fields;
    this.#say({ case: 'moved', value: { handle, ...(typeof leader === 'number' && { leader }) } });
  }

  #grant(): void {
    if (this.#isCongested) return;
    for (const upstream of this.#upstreams.values()) {
      const bytes = this.#credit.grant(upstream.line);
      if (bytes > 0) upstream.credit(bytes);
    }
  }

  #tick(): void {
    for (const upstream of [...this.#upstreams.values()]) upstream.tick();
    if (this.#liveness.owesHeartbeat) this.#say({ case: 'heartbeat', value: {} });
    if (this.#liveness.peerIsSilent) this.#session.cancel(faults.notServing('this session', 'silent for too long'));
  }

  #say(frame: Exclude<Response['frame'], undefined>): void {
    this.#send({ frame }, 0);
  }

  #send(message: Response, bytes: number): void {
    this.#liveness.said();
    this.#heldBytes += bytes;
    if (this.#session.send(message)) return this.#release();
    if (this.#isCongested) return;
    this.#isCongested = true;
    void this.#session.drained().then(() => {
      this.#isCongested = false;
      this.#release();
      this.#pump();
    });
  }

  #release(): void {
    this.#credit.free(this.#heldBytes);
    this.#heldBytes = 0;
  }
}
