import { type Random, randomName } from '@moldau/kernel';
import { clusterIdKey, type MetadataStore, noteCodec } from '@moldau/metadata';
import { readKey } from './store-access.ts';

/** The id of the store's cluster; an empty store gets a new one. Rejects with STORE_UNAVAILABLE: ask again. */
export async function findClusterId(store: MetadataStore, random: Random): Promise<string> {
  const found = await readKey(store, clusterIdKey);
  if (found !== undefined) return noteCodec.decode(found.key, found.value);
  const value = noteCodec.encode(randomName(random), randomName(random));
  await store.txn([{ key: clusterIdKey, modRevision: 0n }], [{ kind: 'put', key: clusterIdKey, value }]);
  return findClusterId(store, random);
}
