import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, credentials } from '@grpc/grpc-js';
import { hostClock, hostRandom, hostTimers } from '@moldau/host';
import { type Counter, Gate, MoldauError, StartError, silentLogger, silentMeter } from '@moldau/kernel';
import { ControllerService } from '@moldau/proto/moldau/internal/v1/controller_pb';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';
import test, { type ExecutionContext } from 'ava';
import { GrpcDialer } from '../src/grpc/grpc-dialer.ts';
import { GrpcServer, type GrpcServerOptions } from '../src/grpc/grpc-server.ts';
import { defaultLimits } from '../src/limits.ts';
import { serve } from '../src/transport.ts';
import { aborted, failure, first, settled } from './transport-contract.ts';

const ports = {
  clock: hostClock,
  timers: hostTimers,
  random: hostRandom,
  logger: silentLogger,
  meter: silentMeter,
  limits: defaultLimits,
};
const info = serve(ServerInfoService, { getServerInfo: async () => ({ version: '1' }) });
const { getServerInfo } = ServerInfoService.method;
const { append, appendSession } = LogService.method;
const { registerNode } = ControllerService.method;

async function start(t: ExecutionContext, options: Partial<GrpcServerOptions>) {
  const server = new GrpcServer({ ...ports, services: [info], ...options });
  const { port } = await server.listen('127.0.0.1', 0);
  t.teardown(() => server.drain(0));
  return { server, port, address: `127.0.0.1:${port}` };
}

function dial(
  t: ExecutionContext,
  address: string,
  options: Partial<ConstructorParameters<typeof GrpcDialer>[0]> = {},
) {
  const channel = new GrpcDialer({ ...ports, ...options }).dial(address, 'control');
  t.teardown(() => channel.close());
  return channel;
}

test('a port in use stops the start with what to do', async (t) => {
  const { port } = await start(t, {});
  const second = new GrpcServer({ ...ports, services: [info] });
  const error = await t.throwsAsync(second.listen('127.0.0.1', port), { instanceOf: StartError });
  t.regex(error?.message ?? '', /in use: stop what listens there/);
  const elsewhere = new GrpcServer({ ...ports, services: [info] });
  await t.throwsAsync(elsewhere.listen('192.0.2.1', 0), {
    instanceOf: StartError,
    message: /no address of this machine/,
  });
});

test('a service without a policy is not served', (t) => {
  const { service } = info;
  const unknown = {
    ...service,
    typeName: 'x.Service',
    methods: service.methods.map((method) => ({ ...method, parent: { ...service, typeName: 'x.Service' } })),
  };
  t.throws(() => new GrpcServer({ ...ports, services: [{ service: unknown, handlers: {} }] }), {
    message: /has no policy/,
  });
});

test('an open server on a public address says so', async (t) => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => warnings.push(message) };
  const server = new GrpcServer({ ...ports, services: [info], logger });
  t.teardown(() => server.drain(0));
  await server.listen('127.0.0.1', 0);
  t.deepEqual(warnings, []);
  await server.listen('0.0.0.0', 0);
  t.regex(warnings[0] ?? '', /anyone who reaches this address/);
});

test('the receive window, the streams and the headers of a connection are limited as said', async (t) => {
  const { address } = await start(t, {});
  const session = connect(`http://${address}`);
  t.teardown(() => session.destroy());
  await once(session, 'remoteSettings');
  t.is(session.remoteSettings.initialWindowSize, defaultLimits.windowBytes);
  t.is(session.remoteSettings.maxConcurrentStreams, defaultLimits.streamsPerConnectionMax);
  t.is(session.remoteSettings.maxHeaderListSize, defaultLimits.headerListBytesMax);
  await settled(() => session.state.remoteWindowSize ?? 0);
  t.is(session.state.remoteWindowSize, defaultLimits.windowBytes);
});

test('a client that is not read gets the whole window away, and no more', async (t) => {
  const { address } = await start(t, {
    services: [serve(LogService, { appendSession: (session) => aborted(session.signal) })],
  });
  const session = connect(`http://${address}`);
  t.teardown(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/moldau.log.v1.LogService/AppendSession',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => {});
  const message = Buffer.alloc(65_536);
  message.writeUInt32BE(message.length - 5, 1);
  // Field 15 of type bytes: unknown to the contract, so it is skipped.
  message.set([0x7a, 0xf7, 0xff, 0x03], 5);
  let written = 0;
  const push = (): void => {
    stream.write(message, (error) => {
      if (error) return;
      written += message.length;
      push();
    });
  };
  push();
  const stalled = await settled(() => written);
  const { windowBytes, receiveBufferBytes } = defaultLimits;
  t.true(stalled >= windowBytes - message.length, `${stalled}`);
  t.true(stalled <= windowBytes + receiveBufferBytes + 1024 * 1024, `${stalled}`);
});

test('a flood of pings ends the connection', async (t) => {
  const { address } = await start(t, {});
  const session = connect(`http://${address}`);
  t.teardown(() => session.destroy());
  await once(session, 'remoteSettings');
  let answered = 0;
  const ping = (): void => {
    session.ping((error) => {
      if (error !== null) return;
      answered += 1;
      ping();
    });
  };
  ping();
  await once(session, 'close');
  t.true(answered >= 990 && answered <= 1_010, `${answered}`);
  t.is((await dial(t, address).unary(getServerInfo, {})).version, '1');
});

test('draining lets open calls end, and breaks what stays', async (t) => {
  const called = new Gate();
  const answer = new Gate();
  const { server, address } = await start(t, {
    services: [
      serve(LogService, {
        append: async () => {
          called.open();
          await answer.wait();
          return { partition: 5 };
        },
        appendSession: async (session) => {
          session.send({});
          await aborted(session.signal);
        },
      }),
    ],
  });
  const channel = dial(t, address);
  const session = channel.session(appendSession);
  await first(session.incoming);
  const inHandler = called.wait();
  const call = channel.unary(append, {});
  await inHandler;
  const drained = server.drain(300);
  answer.open();
  t.is((await call).partition, 5);
  t.is((await failure(t, first(session.incoming))).reason, 'UNREACHABLE');
  await drained;
});

test('health follows what is set, and goes down first when draining', async (t) => {
  const { server, address } = await start(t, {});
  const check = (service: string): Promise<unknown> =>
    rawUnary(t, address, '/grpc.health.v1.Health/Check', Buffer.from([10, service.length, ...Buffer.from(service)]));
  const serving = Buffer.from([8, 1]);
  const notServing = Buffer.from([8, 2]);
  t.deepEqual(await check(ServerInfoService.typeName), notServing);
  server.setServing(true);
  t.deepEqual(await check(ServerInfoService.typeName), serving);
  t.deepEqual(await check(''), serving);
  server.setServing(false, ServerInfoService.typeName);
  t.deepEqual(await check(ServerInfoService.typeName), notServing);
  t.deepEqual(await check(''), serving);
});

test('reflection shows what clients may call, and nothing between nodes', async (t) => {
  const { address } = await start(t, { services: [info, serve(LogService, {}), serve(ControllerService, {})] });
  const list = Buffer.from([58, 1, 42]);
  const answer = String(await rawUnary(t, address, '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', list));
  t.regex(answer, /moldau\.log\.v1\.LogService/);
  t.regex(answer, /moldau\.server\.v1\.ServerInfoService/);
  t.notRegex(answer, /moldau\.internal/);
  const name = Buffer.from('moldau.log.v1.LogService');
  const bySymbol = Buffer.from([34, name.length, ...name]);
  const file = String(
    await rawUnary(t, address, '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', bySymbol),
  );
  t.regex(file, /moldau\/errors\/v1\/errors\.proto/);
});

test('calls are counted by method and reason', async (t) => {
  const counts = new Map<string, number>();
  const counter = (name: string, _: string, labels: object = {}): Counter => ({
    add: (amount = 1) => {
      const key = [name, ...Object.values(labels)].join(' ');
      counts.set(key, (counts.get(key) ?? 0) + amount);
    },
  });
  const { address } = await start(t, {
    meter: { ...silentMeter, counter },
    services: [
      serve(LogService, {
        append: async ({ topic }) => {
          if (topic === '') throw new MoldauError('UNKNOWN_TOPIC', 'no');
          return { partition: 1 };
        },
      }),
    ],
  });
  const channel = dial(t, address);
  await channel.unary(append, { topic: 'a' });
  await failure(t, channel.unary(append, {}));
  const method = 'moldau.log.v1.LogService/Append';
  t.is(counts.get(`moldau_rpc_calls_total ${method} OK`), 1);
  t.is(counts.get(`moldau_rpc_calls_total ${method} UNKNOWN_TOPIC`), 1);
  t.is(counts.get(`moldau_rpc_received_bytes_total ${method}`), 3);
  t.is(counts.get(`moldau_rpc_sent_bytes_total ${method}`), 2);
});

test('a token names the caller', async (t) => {
  const { address } = await start(t, {
    services: [info, serve(LogService, { append: async (_, { principal }) => ({ partition: principal.name.length }) })],
    authenticate: ({ token }) => {
      if (token === undefined) return { kind: 'anonymous', name: '' };
      if (token !== 'good') throw new MoldauError('UNAUTHENTICATED', 'this token is not known');
      return { kind: 'user', name: 'ada' };
    },
  });
  t.is((await dial(t, address, { token: 'good' }).unary(append, {})).partition, 3);
  t.is((await failure(t, dial(t, address).unary(append, {}))).reason, 'UNAUTHENTICATED');
  t.is((await failure(t, dial(t, address, { token: 'bad' }).unary(append, {}))).reason, 'UNAUTHENTICATED');
  t.is((await dial(t, address).unary(getServerInfo, {})).version, '1');
});

const openssl = promisify(execFile);
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
/** Without the openssl program there is nothing to make certificates with. */
const withCertificates = hasOpenssl ? test : test.skip;

withCertificates('mTLS: nodes are known by their certificate, strangers are not let in', async (t) => {
  const pki = await makePki(t);
  const { address } = await start(t, {
    services: [
      info,
      serve(ControllerService, {
        registerNode: async (_, { principal }) => ({ clusterId: `${principal.kind} ${principal.name}` }),
      }),
    ],
    tls: { ...pki.server, clientCa: pki.ca },
  });
  const known = dial(t, address, { tls: { ca: pki.ca, ...pki.node, serverName: 'localhost' } });
  t.is((await known.unary(registerNode, {})).clusterId, 'node node-7');
  const certless = dial(t, address, { tls: { ca: pki.ca, serverName: 'localhost' } });
  t.is((await failure(t, certless.unary(getServerInfo, {}))).reason, 'UNREACHABLE');
  const plain = dial(t, address);
  t.is((await failure(t, plain.unary(getServerInfo, {}))).reason, 'UNREACHABLE');
  const other = dial(t, address, { tls: { ca: (await makePki(t)).ca, ...pki.node, serverName: 'localhost' } });
  t.is((await failure(t, other.unary(getServerInfo, {}))).reason, 'UNREACHABLE');
});

withCertificates('TLS without client certificates lets everyone in who trusts the server', async (t) => {
  const pki = await makePki(t);
  const { address } = await start(t, { tls: pki.server });
  const channel = dial(t, address, { tls: { ca: pki.ca, serverName: 'localhost' } });
  t.is((await channel.unary(getServerInfo, {})).version, '1');
});

async function makePki(t: ExecutionContext) {
  const directory = await mkdtemp(join(tmpdir(), 'moldau-pki-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const run = (...parts: string[]): Promise<unknown> => openssl('openssl', parts, { cwd: directory });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await run('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test-ca');
  const issue = async (name: string) => {
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
    await run(
      'req',
      '-x509',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      ...key,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      ...subject,
    );
    return {
      cert: await readFile(join(directory, `${name}.pem`)),
      key: await readFile(join(directory, `${name}.key`)),
    };
  };
  return {
    ca: await readFile(join(directory, 'ca.pem')),
    server: await issue('localhost'),
    node: await issue('node-7'),
  };
}

/** A call with bytes that are written by hand: for services that are not ours. Takes the first message of the answer. */
function rawUnary(t: ExecutionContext, address: string, path: string, request: Buffer): Promise<unknown> {
  const client = new Client(address, credentials.createInsecure());
  t.teardown(() => client.close());
  const same = (bytes: Buffer): Buffer => bytes;
  const stream = client.makeServerStreamRequest(path, same, same, request);
  return new Promise((resolve, reject) => {
    stream.once('data', resolve);
    stream.on('error', reject);
  });
}
