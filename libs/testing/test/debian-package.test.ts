import test from 'ava';
import { packagesOf } from '../src/fetch/debian-package.ts';

test('what apt would install is read with its versions', (t) => {
  const printed = [
    "'http://mirror.test/pool/main/j/jemalloc/libjemalloc2_5.3.0-1_amd64.deb' libjemalloc2_5.3.0-1_amd64.deb 275304 MD5Sum:0",
    "'http://mirror.test/pool/r/redis-server_7.0.15-1%7edeb12u10_amd64.deb' redis-server_5%3a7.0.15-1~deb12u10_amd64.deb 72 SHA256:0",
    "'http://mirror.test/pool/r/rabbitmq-server_3.10.8-1.1+deb12u1_all.deb' rabbitmq-server_3.10.8-1.1+deb12u1_all.deb 15 ",
    'something else',
  ].join('\n');
  t.deepEqual(packagesOf(printed), [
    'libjemalloc2=5.3.0-1',
    'redis-server=5:7.0.15-1~deb12u10',
    'rabbitmq-server=3.10.8-1.1+deb12u1',
  ]);
});
