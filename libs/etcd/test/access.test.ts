import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasReason, revision } from '@moldau/kernel';
import { leaseId } from '@moldau/metadata';
import type { EtcdProcess } from '@moldau/testing/etcd/etcd-process';
import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import test, { type ExecutionContext } from 'ava';
import { Etcd3 } from 'etcd3';
import { callsOf, connect, nextOf, put, startEtcd, untilAnswered } from './stores.ts';

const etcdIsThere = await hasEtcd();
const withEtcd = etcdIsThere ? test : test.skip;
/** Without the openssl program there is nothing to make certificates with. */
const withCertificates = etcdIsThere && spawnSync('openssl', ['version']).status === 0 ? test : test.skip;

const refused = (message: RegExp) => ({ name: 'STORE_UNAVAILABLE', message });
const user = { name: 'moldau', password: 'river' };
const cheapHashes = { flags: ['--bcrypt-cost', '4'] };

withEtcd('a user: only with the right password, and only what its role allows', async (t) => {
  const etcd = await startEtcd(t, cheapHashes);
  const early = connect(t, { hosts: etcd.address, user });
  await early.txn([], [put('/moldau/a')]);
  await enableAuthentication(t, etcd);

  const anybody = connect(t, { hosts: etcd.address });
  await t.throwsAsync(anybody.txn([], [put('/moldau/a')]), refused(/set the name and the password/));
  const wrong = connect(t, { hosts: etcd.address, user: { ...user, password: 'lake' } });
  const wrongPassword = refused(/does not accept the user name or the password/);
  await t.throwsAsync(wrong.range('/moldau/'), wrongPassword);
  await t.throwsAsync(wrong.keepAlive(leaseId('1')), wrongPassword);
  await t.throwsAsync(nextOf(wrong.watch('/moldau/', revision(1n))), wrongPassword);

  const store = connect(t, { hosts: etcd.address, user });
  const lease = await store.grantLease(60_000);
  const { revision: written } = await store.txn([], [{ kind: 'put', key: '/moldau/b', value: '1', lease }]);
  t.is((await nextOf(store.watch('/moldau/', written)))?.revision, written);
  t.true(await store.keepAlive(lease));
  const root = connect(t, { hosts: etcd.address, user: { name: 'root', password: 'root' } });
  t.is((await root.status()).revision, written);
  await root.compact(written);
  const denied = refused(/denies our user.*prefix \/moldau\//);
  await t.throwsAsync(store.txn([], [put('elsewhere')]), denied);
  await t.throwsAsync(nextOf(store.watch('elsewhere', written)), denied);
  // Since 3.5.28 etcd wants the role root for these two.
  for (const call of [store.status(), store.compact(written)]) {
    t.regex(await call.then(() => 'allowed', String), /^allowed$|and the role root/);
  }
  await store.revoke(lease);
  t.is((await early.range('/moldau/')).entries.length, 1, 'who was let in without a login has got one');
});

withEtcd('a login that etcd has forgotten is renewed, once for all calls', async (t) => {
  const etcd = await startEtcd(t, cheapHashes);
  await enableAuthentication(t, etcd);
  const root = new Etcd3({ hosts: etcd.address, auth: { username: 'root', password: 'root' } });
  t.teardown(() => root.close());
  const store = connect(t, { hosts: etcd.address, user });
  const { revision: written } = await store.txn([], [put('/moldau/a')]);
  const forget = (): Promise<unknown> => root.auth.userChangePassword(user);

  await forget();
  const before = await callsOf(etcd, 'Authenticate');
  await Promise.all(Array.from({ length: 20 }, (_, i) => store.txn([], [put(`/moldau/${i}`)])));
  t.is(await callsOf(etcd, 'Authenticate'), before + 1);

  await forget();
  const change = await untilAnswered(() => nextOf(store.watch('/moldau/', written)));
  t.is(change?.revision, written);

  await etcd.kill();
  await etcd.start();
  await untilAnswered(() => store.range('/moldau/'));
});

withCertificates('TLS: each side knows the other by its certificate', async (t) => {
  const pki = await makePki(t);
  const flags = ['--cert-file', pki.file('localhost.pem'), '--key-file', pki.file('localhost.key')];
  const clients = ['--client-cert-auth', '--trusted-ca-file', pki.file('ca.pem')];
  const etcd = await startEtcd(t, { tls: true, flags: [...flags, ...clients] });
  const hosts = `https://localhost:${etcd.port}`;
  const known = connect(t, { hosts, tls: { ca: pki.ca, ...pki.client } });
  const { revision: written } = await known.txn([], [put('k', '1')]);
  t.is((await nextOf(known.watch('k', written)))?.revision, written);
  for (const stranger of [
    connect(t, { hosts, tls: { ca: pki.ca } }),
    connect(t, { hosts, tls: { ca: (await makePki(t)).ca, ...pki.client } }),
    connect(t, { hosts }),
    connect(t, { hosts: etcd.address }),
  ]) {
    const error = await t.throwsAsync(stranger.range('k'));
    t.true(hasReason(error, 'STORE_UNAVAILABLE'), String(error));
  }
});

/** Lets in root, and our user with a role for our prefix. */
async function enableAuthentication(t: ExecutionContext, etcd: EtcdProcess): Promise<void> {
  const client = new Etcd3({ hosts: etcd.address });
  t.teardown(() => client.close());
  const { auth } = client;
  for (const { name, password } of [user, { name: 'root', password: 'root' }]) {
    await auth.userAdd({ name, password });
    await auth.roleAdd({ name });
    await auth.userGrantRole({ user: name, role: name });
  }
  const prefix = { key: Buffer.from('/moldau/'), range_end: Buffer.from('/moldau0') };
  await auth.roleGrantPermission({ name: user.name, perm: { permType: 'Readwrite', ...prefix } });
  await auth.authEnable();
}

async function makePki(t: ExecutionContext) {
  const directory = await mkdtemp(join(tmpdir(), 'moldau-etcd-pki-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const file = (name: string): string => join(directory, name);
  const openssl = (...parts: string[]): Promise<unknown> => promisify(execFile)('openssl', parts, { cwd: directory });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test-ca');
  for (const name of ['localhost', 'client']) {
    const made = ['-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', `/CN=${name}`];
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', `subjectAltName=DNS:${name}`];
    await openssl('req', '-x509', ...signed, ...key, ...made);
  }
  const [ca, cert, clientKey] = await Promise.all(['ca.pem', 'client.pem', 'client.key'].map((n) => readFile(file(n))));
  return { file, ca: ca as Buffer, client: { cert: cert as Buffer, key: clientKey as Buffer } };
}
