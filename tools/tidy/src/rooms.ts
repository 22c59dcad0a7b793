// Who may import what: the plan of the house as data. ARCHITECTURE.md explains it; a test reads every import against it.

export type Kind =
  | 'contract'
  | 'base'
  | 'core'
  | 'engine'
  | 'adapter'
  | 'service'
  | 'edge'
  | 'composition'
  | 'client'
  | 'cli'
  | 'app'
  | 'test'
  | 'tool';

/** What one kind of room may import. Packages of its own `package.json` only, whatever stands here. */
export interface KindRule {
  /** Kinds of rooms. */
  readonly kinds: readonly Kind[];
  /** Rooms besides, by name. */
  readonly rooms?: readonly string[];
  /** Packages from outside, by name. `any`: whatever its package.json declares. */
  readonly packages: readonly string[] | 'any';
  /** Modules of Node. `any`: all of them. */
  readonly node: readonly string[] | 'any';
  /** May it read the time, chance or the scheduler by itself? Everything else gets them through ports. */
  readonly ownTime: boolean;
}

const grpc = '@grpc/grpc-js';
const protobuf = '@bufbuild/protobuf';

export const kindRules: Readonly<Record<Kind, KindRule>> = {
  contract: { kinds: [], packages: [protobuf], node: [], ownTime: false },
  base: { kinds: ['base'], packages: [], node: [], ownTime: false },
  core: {
    kinds: ['base', 'core'],
    packages: ['@node-rs/crc32', 'lz4-napi', 're2js', 'snappy'],
    // Codecs, synchronous: no I/O.
    node: ['node:zlib'],
    ownTime: false,
  },
  engine: { kinds: ['base', 'core'], packages: [], node: [], ownTime: false },
  // `metadata` holds the port that stores implement.
  adapter: { kinds: ['base', 'contract'], rooms: ['metadata'], packages: 'any', node: 'any', ownTime: true },
  service: {
    kinds: ['base', 'core', 'engine', 'contract'],
    rooms: ['rpc', 'routing', 'shards'],
    packages: [protobuf],
    node: [],
    ownTime: false,
  },
  // Serves others by being a client itself.
  edge: { kinds: ['base', 'contract'], rooms: ['client', 'rpc'], packages: [protobuf], node: [], ownTime: false },
  composition: {
    kinds: ['base', 'core', 'engine', 'contract', 'adapter', 'service', 'edge', 'client'],
    rooms: ['process'],
    packages: 'any',
    node: 'any',
    ownTime: true,
  },
  client: {
    kinds: ['base', 'contract'],
    rooms: ['records', 'rpc', 'routing', 'host'],
    packages: [protobuf],
    node: [],
    ownTime: false,
  },
  cli: {
    kinds: ['base', 'contract', 'client'],
    rooms: ['cluster', 'process', 'bench', 'log', 'host', 'records', 'rpc', 'telemetry'],
    packages: 'any',
    node: 'any',
    ownTime: true,
  },
  app: {
    kinds: ['base'],
    rooms: ['cli', 'process'],
    packages: 'any',
    node: 'any',
    ownTime: true,
  },
  test: {
    kinds: ['base', 'core', 'engine', 'contract', 'adapter', 'service', 'edge', 'composition', 'client', 'test'],
    packages: 'any',
    node: 'any',
    ownTime: true,
  },
  tool: {
    kinds: [
      ...['base', 'core', 'engine', 'contract', 'adapter', 'service', 'edge', 'composition', 'client', 'cli'],
      ...['test', 'tool'],
    ] as Kind[],
    packages: 'any',
    node: 'any',
    ownTime: true,
  },
};

/** The kind of each room under `libs`. */
export const rooms: Readonly<Record<string, Kind>> = {
  proto: 'contract',
  kernel: 'base',
  config: 'base',
  records: 'core',
  metadata: 'core',
  replication: 'core',
  groups: 'core',
  log: 'engine',
  host: 'adapter',
  rpc: 'adapter',
  'embedded-store': 'adapter',
  etcd: 'adapter',
  telemetry: 'adapter',
  routing: 'client',
  client: 'client',
  'storage-node': 'service',
  coordinator: 'service',
  gateway: 'service',
  shards: 'service',
  'group-coordinator': 'service',
  subscriptions: 'edge',
  process: 'composition',
  cluster: 'composition',
  cli: 'cli',
  testing: 'test',
  bench: 'test',
};

/** Only these rooms may touch these, whatever their kind allows. */
export const exclusive: Readonly<Record<string, readonly string[]>> = {
  [grpc]: ['rpc'],
  etcd3: ['etcd'],
  re2js: ['groups'],
  'node:fs': ['host', 'cli', 'process'],
  'node:fs/promises': ['host', 'cli'],
  'node:sqlite': ['host', 'embedded-store'],
};
