export type { EtcdOptions } from './etcd-members.ts';
export { EtcdStore } from './etcd-store.ts';
