import { optional, text, type Values } from '@moldau/config';
import { EmbeddedStore } from '@moldau/embedded-store';
import { StartError } from '@moldau/kernel';
import type { MetadataStore } from '@moldau/metadata';
import type { ProcessWorld } from './program.ts';

/** Where a coordinator keeps everything that it decides. */
export const storeSettings = {
  'store.file': optional(
    text({ doc: 'A file of its own that keeps all metadata, instead of etcd: for a single coordinator.' }),
  ),
};

/** Opens the store. Throws a StartError. */
export function openStore(values: Values<typeof storeSettings>, world: ProcessWorld): MetadataStore {
  const file = values['store.file'];
  if (file === undefined) throw new StartError('no metadata store is set: set etcd.endpoints, or store.file');
  return EmbeddedStore.open(file, world);
}
