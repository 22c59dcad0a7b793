import { optional, text, type Values } from '@moldau/config';
import { EmbeddedStore } from '@moldau/embedded-store';
import { EtcdStore } from '@moldau/etcd';
import { StartError } from '@moldau/kernel';
import type { MetadataStore } from '@moldau/metadata';
import type { ProcessWorld } from './program.ts';
import { readFileOf } from './tls-files.ts';

/** Where a coordinator keeps everything that it decides. */
export const storeSettings = {
  'etcd.endpoints': optional(
    text({
      pattern: /^(https:\/\/)?[^\s,]+:\d{1,5}(,(https:\/\/)?[^\s,]+:\d{1,5})*$/,
      form: 'host:port, or several of them with commas',
      doc: 'The members of etcd that keep all metadata. With `https://` before each of them, over TLS.',
    }),
  ),
  'etcd.username': optional(text({ doc: 'The user that it is to etcd.' })),
  'etcd.password': optional(text({ secret: true, doc: 'The password of that user.' })),
  'etcd.ca': optional(text({ doc: 'A file with the certificates (PEM) by which etcd is trusted.' })),
  'etcd.cert': optional(text({ doc: 'A file with the certificate (PEM) to show to etcd.' })),
  'etcd.key': optional(text({ doc: 'A file with the key (PEM) of that certificate.' })),
  'store.file': optional(
    text({ doc: 'A file that keeps all metadata, instead of etcd: for a coordinator that is alone.' }),
  ),
};

type StoreSettings = Values<typeof storeSettings>;

/** Throws a StartError unless the settings name one store, and all that it takes. */
export function checkStore(settings: StoreSettings): void {
  const given = (...keys: (keyof StoreSettings)[]): boolean => keys.some((key) => settings[key] !== undefined);
  if (given('etcd.endpoints') === given('store.file')) {
    throw new StartError(
      'where is the metadata kept? Set etcd.endpoints, or store.file for a coordinator that is alone',
    );
  }
  if (given('etcd.username') !== given('etcd.password')) {
    throw new StartError('etcd.username and etcd.password go together: set both, or none');
  }
  if (given('etcd.cert', 'etcd.key') && !given('etcd.ca')) {
    throw new StartError('etcd.cert needs etcd.ca: set the certificates by which etcd is trusted');
  }
}

/** Opens the store that checked settings name. Throws a StartError. */
export function openStore(settings: StoreSettings, world: ProcessWorld): MetadataStore {
  const { 'etcd.endpoints': endpoints, 'store.file': file } = settings;
  if (file !== undefined) return EmbeddedStore.open(file, world);
  return new EtcdStore({ hosts: (endpoints ?? '').split(','), user: userOf(settings), tls: tlsOf(settings) }, world);
}

function userOf({ 'etcd.username': name, 'etcd.password': password }: StoreSettings) {
  return name === undefined || password === undefined ? undefined : { name, password };
}

function tlsOf({ 'etcd.ca': caPath, 'etcd.cert': certPath, 'etcd.key': keyPath }: StoreSettings) {
  const ca = readFileOf('etcd.ca', caPath);
  const cert = readFileOf('etcd.cert', certPath);
  const key = readFileOf('etcd.key', keyPath);
  return ca === undefined ? undefined : { ca, cert, key };
}
