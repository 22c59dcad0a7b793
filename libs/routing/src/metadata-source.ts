/** The metadata of a cluster, in whatever form its owner keeps it: what answers and watches are made from. */
export interface MetadataSource<N extends { readonly id: number }, T extends { readonly id: string }> {
  /** Grows with every change. */
  readonly version: bigint;
  /** By id. */
  nodes(): Iterable<N>;
  node(id: number): N | undefined;
  topics(): Iterable<T>;
  topic(id: string): T | undefined;
  topicByName(name: string): T | undefined;
  nameOf(topic: T): string;
  partitionCount(topic: T): number;
}

/** Names of what a change touched; `anything`: nobody has counted. */
export type Changed = 'anything' | { readonly nodes: Iterable<number>; readonly topics: Iterable<string> };

/** The same, for those who want to hear of every change. */
export interface WatchedMetadata<N extends { readonly id: number }, T extends { readonly id: string }>
  extends MetadataSource<N, T> {
  /** Calls after every change, with the change already there, until the returned function is called. */
  onChange(listener: (changed: Changed) => void): () => void;
}
