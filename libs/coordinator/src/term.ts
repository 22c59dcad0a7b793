import { type Random, randomName } from '@moldau/kernel';
import { type Compare, clusterIdKey, type Keys, type MetadataStore, nonceOf, noteCodec } from '@moldau/metadata';
import { readKey } from './store-access.ts';

/** The id of the store's cluster; an empty store gets a new one. Rejects with STORE_UNAVAILABLE: ask again. */
export async function findClusterId(store: MetadataStore, random: Random): Promise<string> {
  const found = await readKey(store, clusterIdKey);
  if (found !== undefined) return noteCodec.decode(found.key, found.value);
  const value = noteCodec.encode(randomName(random), randomName(random));
  await store.txn([{ key: clusterIdKey, modRevision: 0n }], [{ kind: 'put', key: clusterIdKey, value }]);
  return findClusterId(store, random);
}

/**
 * Takes the office of the active coordinator, and returns the compare that fences every write of this term: the create
 * revision of the election key. Whoever held it can write nothing from then on. Rejects with STORE_UNAVAILABLE: ask again
 * with the same nonce.
 */
export async function takeTerm(store: MetadataStore, keys: Keys, instance: string, nonce: string): Promise<Compare> {
  const key = keys.election;
  for (;;) {
    const holder = await readKey(store, key);
    if (holder === undefined) {
      const value = noteCodec.encode(instance, nonce);
      await store.txn([{ key, modRevision: 0n }], [{ kind: 'put', key, value }]);
    } else if (nonceOf(key, holder.value) === nonce) {
      return { key, createRevision: holder.createRevision };
    } else {
      await store.txn([{ key, modRevision: holder.modRevision }], [{ kind: 'delete', key }]);
    }
  }
}
