import { setTimeout as sleep } from 'node:timers/promises';
import { hostTimers } from '@moldau/host';
import { hasReason, type Logger, type Revision, revision, silentLogger, type Timers } from '@moldau/kernel';
import type { StoreChange, StoreOp, StoreWatch } from '@moldau/metadata';
import { EtcdProcess, type EtcdSetup } from '@moldau/testing/etcd/etcd-process';
import { TcpProxy } from '@moldau/testing/tcp-proxy';
import type { ExecutionContext } from 'ava';
import { type EtcdOptions, EtcdStore } from '../src/index.ts';

/** An etcd that ends with the test. */
export async function startEtcd(t: ExecutionContext, setup: EtcdSetup = {}): Promise<EtcdProcess> {
  const etcd = await EtcdProcess.start(setup);
  t.teardown(() => etcd.close());
  return etcd;
}

/** A store that is closed with the test. */
export function connect(
  t: ExecutionContext,
  options: Omit<EtcdOptions, 'hosts'> & { readonly hosts: string | readonly string[] },
  ports: { timers?: Timers; logger?: Logger } = {},
): EtcdStore {
  const hosts = typeof options.hosts === 'string' ? [options.hosts] : options.hosts;
  const store = new EtcdStore({ ...options, hosts }, { timers: hostTimers, logger: silentLogger, ...ports });
  t.teardown(() => store.close());
  return store;
}

/** An etcd, a store beside it that nothing disturbs, and one that speaks to it through a proxy. */
export async function startBehindProxy(t: ExecutionContext, setup: EtcdSetup = {}) {
  const etcd = await startEtcd(t, setup);
  const proxy = await TcpProxy.start(etcd.port);
  t.teardown(() => proxy.close());
  return { etcd, proxy, near: connect(t, { hosts: etcd.address }), far: connect(t, { hosts: proxy.address }) };
}

/** How often clients have called a method of etcd: what it counts itself. */
export async function callsOf(etcd: EtcdProcess, method: string): Promise<number> {
  const metrics = await (await fetch(`http://${etcd.address}/metrics`)).text();
  const line = new RegExp(`^grpc_server_started_total\\{grpc_method="${method}",.*\\} (\\d+)$`, 'm').exec(metrics);
  return Number(line?.[1]);
}

export const put = (key: string, value = ''): StoreOp => ({ kind: 'put', key, value });

/** Reads a watch to its end, and collects what it shows. Resolves with what it ended with; `undefined`: it was closed. */
export async function follow(watch: StoreWatch, seen: StoreChange[]): Promise<unknown> {
  try {
    for await (const change of watch) seen.push(change);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The next change of a watch. */
export async function nextOf(watch: StoreWatch): Promise<StoreChange | undefined> {
  for await (const change of watch) return change;
  return undefined;
}

export const after = (known: bigint): Revision => revision(known + 1n);

const retryMs = 20;

/** Calls again while the store does not answer. */
export async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!hasReason(error, 'STORE_UNAVAILABLE')) throw error;
    }
    await sleep(retryMs);
  }
}
