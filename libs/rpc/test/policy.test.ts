import { readdir, readFile } from 'node:fs/promises';
import { type DescService, ScalarType } from '@bufbuild/protobuf';
import { AssertionFailed, MoldauError } from '@moldau/kernel';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import { SubscriptionService } from '@moldau/proto/moldau/group/v1/subscription_pb';
import { ControllerService } from '@moldau/proto/moldau/internal/v1/controller_pb';
import { InternalLogService } from '@moldau/proto/moldau/internal/v1/log_pb';
import { ReplicationService } from '@moldau/proto/moldau/internal/v1/replication_pb';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';
import test from 'ava';
import { type Authenticate, admit } from '../src/access.ts';
import { deadlineOf, type MethodPolicy, policyNames, policyOf } from '../src/policy.ts';
import type { Principal } from '../src/transport.ts';

const services: readonly DescService[] = [
  LogService,
  ClusterService,
  GroupService,
  SubscriptionService,
  ControllerService,
  InternalLogService,
  ReplicationService,
  ServerInfoService,
];
const methods = services.flatMap((service) => service.methods.map((method) => ({ service, method })));

test('every method of the contract has a policy, and no other has', (t) => {
  const names = methods.map(({ service, method }) => `${service.typeName}/${method.name}`);
  t.deepEqual(names.toSorted(), policyNames.toSorted());
  t.throws(() => policyOf(LogService, 'Erase'), { instanceOf: AssertionFailed, message: /no policy/ });
});

test('every service of the contract is looked at here', async (t) => {
  const proto = new URL('../../../proto/moldau/', import.meta.url);
  const found: string[] = [];
  for (const name of (await readdir(proto, { recursive: true })).filter((file) => file.endsWith('.proto'))) {
    const source = await readFile(new URL(name, proto), 'utf8');
    const area = /^package (.+);$/m.exec(source)?.[1];
    for (const [, service] of source.matchAll(/^service (\w+)/gm)) found.push(`${area}.${service}`);
  }
  t.deepEqual(found.toSorted(), services.map(({ typeName }) => typeName).toSorted());
});

test('what is not a session has a deadline, or a flag of its request that lifts it', (t) => {
  for (const { service, method } of methods) {
    const policy = policyOf(service, method.name);
    if (method.methodKind === 'unary') t.not(policy.deadlineMs, 'none', method.name);
    if (method.methodKind === 'bidi_streaming') t.is(policy.deadlineMs, 'none', method.name);
    if (policy.endlessIf === undefined) continue;
    const flag = method.input.field[policy.endlessIf];
    t.true(flag?.fieldKind === 'scalar' && flag.scalar === ScalarType.BOOL, method.name);
  }
});

test('the shorter deadline holds, and a followed read has none', (t) => {
  const read = policyOf(LogService, 'Read');
  t.is(deadlineOf(read, {}, undefined), 600_000);
  t.is(deadlineOf(read, { follow: false }, 5), 5);
  t.is(deadlineOf(read, { follow: true }, undefined), undefined);
  t.is(deadlineOf(read, { follow: true }, 7), 7);
  t.is(deadlineOf(policyOf(LogService, 'Append'), {}, 3_600_000), 70_000);
});

const kinds = ['anonymous', 'user', 'node'] as const;
const admitted: Record<
  MethodPolicy['access'],
  Record<Principal['kind'], true | 'UNAUTHENTICATED' | 'PERMISSION_DENIED'>
> = {
  public: { anonymous: true, user: true, node: true },
  client: { anonymous: 'UNAUTHENTICATED', user: true, node: true },
  node: { anonymous: 'UNAUTHENTICATED', user: 'PERMISSION_DENIED', node: true },
};

for (const access of ['public', 'client', 'node'] as const) {
  for (const kind of kinds) {
    test(`${kind} calls a method for ${access}`, (t) => {
      const policy: MethodPolicy = { access, sizeClass: 'control', deadlineMs: 1, idempotent: true };
      const authenticate: Authenticate = () => ({ kind, name: 'eve' });
      const nothing = { token: undefined, certificateName: undefined };
      const expected = admitted[access][kind];
      t.is(admit(policy, 'S/M', nothing, undefined).kind, 'anonymous');
      if (expected === true) {
        t.is(admit(policy, 'S/M', nothing, authenticate).kind, kind);
        return;
      }
      const error = t.throws(() => admit(policy, 'S/M', nothing, authenticate), { instanceOf: MoldauError });
      t.is(error.reason, expected);
    });
  }
}
