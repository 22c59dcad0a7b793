/** What is written and read: the same of ours and of every peer. Records without keys, all of them acknowledged by all copies. */
export interface Load {
  readonly topic: string;
  /** Of all clients together. */
  readonly records: number;
  readonly valueBytes: number;
  /** Processes that share the records among them. */
  readonly clients: number;
}

/** Records at a steady rate, each written and read by one process, so that one clock times both. */
export interface PacedLoad {
  readonly topic: string;
  readonly perSecond: number;
  readonly seconds: number;
  readonly valueBytes: number;
}

/** How fast the clients were. Only of a run in which every record was acknowledged, or read once and in order. */
export interface ClientsReport {
  /** From the first record to the last acknowledgement, or to the last record read; start of processes excluded. */
  readonly seconds: number;
  readonly records: number;
  /** User and system time of the clients' processes, their start included where it can't be told apart. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  /** Of one client: what it took to collect garbage, and how late its loop was. Where they say. */
  readonly gcSeconds?: number;
  readonly loopDelayP99Ms?: number;
}

/** How long records took from the moment at which each was due to the moment at which its reader had it, in ms. */
export interface LatencyReport {
  readonly records: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** How a topic is laid out. */
export interface TopicLayout {
  readonly name: string;
  readonly partitions: number;
  /** Copies of each partition. */
  readonly replicas: number;
}

/** A system that runs, on loopback, with its data in a directory of its own. */
export interface RunningSystem {
  /** The processes that serve. */
  readonly serverPids: readonly number[];
  createTopic(layout: TopicLayout): Promise<void>;
  deleteTopic(name: string): Promise<void>;
  /** Writes as fast as it can, by the fast way that its makers recommend; resolves when everything is acknowledged. */
  produce(load: Load): Promise<ClientsReport>;
  /** Reads what `produce` wrote, from the start to the end. */
  consume(load: Load): Promise<ClientsReport>;
  endToEnd(load: PacedLoad): Promise<LatencyReport>;
  /** Ends its processes. */
  stop(): Promise<void>;
}

/** A system that can be had here, ready to be started. */
export interface InstalledSystem {
  readonly version: string;
  /** How it is used: the settings that matter, in a line for the reader of the table. */
  readonly settings: string;
  /** With so many nodes on this machine, each with its data below `directory`. */
  start(directory: string, nodes: number): Promise<RunningSystem>;
}

/** A system to be measured. */
export interface System {
  readonly name: string;
  /** How many nodes it can be run with. */
  readonly nodes: readonly number[];
  /** Brings what it needs from public packages, once; later it comes from the cache. Throws {@link NotHere}. */
  install(): Promise<InstalledSystem>;
}

/** Why a system can't be measured on this machine: printed, and the others are measured. */
export class NotHere extends Error {
  override readonly name = 'NotHere';
}
