import type { MessageInitShape } from '@bufbuild/protobuf';
import { Gate, silentLogger, silentMeter } from '@moldau/kernel';
import { ClusterService, type WatchMetadataResponseSchema } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { ClusterView, Connections } from '@moldau/routing';
import { defaultLimits, type Handlers, MemoryNetwork, type ServedService, serve } from '@moldau/rpc';
import { SeededRandom, VirtualTime } from '@moldau/testing';

export type Message = MessageInitShape<typeof WatchMetadataResponseSchema>;

/** Time, a network, and the ports of whoever lives there. */
export function world() {
  const time = new VirtualTime();
  const network = new MemoryNetwork({ timers: time, limits: defaultLimits });
  const ports = { clock: time, timers: time, random: new SeededRandom(1), logger: silentLogger, meter: silentMeter };
  return { time, network, ports };
}

export type World = ReturnType<typeof world>;

/** A process at an address that tells a watch what a test says. */
export class WatchedAddress {
  readonly address: string;
  readonly #said = new Gate();
  #messages: Message[] = [];
  #isOver = false;
  /** Watches that were opened. */
  watches = 0;

  /** `handlers`: what it serves besides. */
  constructor(address: string, { network, ports }: World, handlers: Handlers<typeof ClusterService> = {}) {
    this.address = address;
    network.listen(address, [this.#service(handlers)], ports);
  }

  say(...messages: Message[]): void {
    this.#messages.push(...messages);
    this.#said.open();
  }

  /** Ends the watch that is open. */
  end(): void {
    this.#isOver = true;
    this.#said.open();
  }

  #service(handlers: Handlers<typeof ClusterService>): ServedService {
    const self = this;
    return serve(ClusterService, {
      ...handlers,
      async *watchMetadata(_, { signal }) {
        self.watches += 1;
        self.#messages = self.watches === 1 ? self.#messages : [];
        self.#isOver = false;
        signal.addEventListener('abort', () => self.#said.open());
        while (!signal.aborted && !self.#isOver) {
          const next = self.#messages.shift();
          if (next !== undefined) yield next;
          else await self.#said.wait();
        }
      },
    });
  }
}

/** A view that asks these addresses, in their order. */
export function viewOf(addresses: readonly string[], { network, ports }: World): ClusterView {
  return new ClusterView(addresses, { ...ports, connections: new Connections(network.dialer('viewer')) });
}

export const topic = (name: string, leaders: readonly number[], id = `id-${name}`) => ({
  name,
  id,
  partitions: leaders.map((leader, index) => ({ index, leader, leaderEpoch: 1, replicas: [leader], inSync: [leader] })),
});

export const node = (id: number, address = `node-${id}`) => ({ id, address });

export const snapshot = (version: bigint, rest: Message = {}): Message => ({
  clusterId: 'c',
  version,
  snapshot: true,
  complete: true,
  ...rest,
});

export const change = (version: bigint, rest: Message = {}): Message => ({
  clusterId: 'c',
  version,
  complete: true,
  ...rest,
});
