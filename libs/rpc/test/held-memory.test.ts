// What callers without manners make a server hold, over sockets. One after the other: each has the loop for itself.
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { hostClock, hostRandom, hostTimers } from '@moldau/host';
import { Gate, MoldauError, silentLogger, silentMeter, sleep } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';
import test, { type ExecutionContext } from 'ava';
import { CallBudget } from '../src/call-budget.ts';
import { GrpcDialer } from '../src/grpc/grpc-dialer.ts';
import { GrpcServer } from '../src/grpc/grpc-server.ts';
import { defaultLimits } from '../src/limits.ts';
import { type Handlers, serve } from '../src/transport.ts';
import { aborted, failure, settled } from './transport-contract.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const limits = {
  ...defaultLimits,
  windowBytes: 512 * KiB,
  heldBytesMax: 8 * MiB,
  connectionHeldBytesMax: 4 * MiB,
};
/** What may come in within one turn of the loop, before anything is ended. */
const turnBytes = 512 * KiB;
const resourceExhausted = 8;
const unimplemented = 12;
const unavailable = 14;

const ports = {
  clock: hostClock,
  timers: hostTimers,
  random: hostRandom,
  logger: silentLogger,
  meter: silentMeter,
  limits,
};
const { getServerInfo } = ServerInfoService.method;
const { append, appendSession, fetchSession, read } = LogService.method;

/** A server, the most that it has held so far, and a client with manners on a connection of its own. */
async function start(t: ExecutionContext, handlers: Handlers<typeof LogService>) {
  const info = serve(ServerInfoService, { getServerInfo: async () => ({ version: '1' }) });
  const budget = new CallBudget(limits, ports);
  const server = new GrpcServer({ ...ports, services: [info, serve(LogService, handlers)], budget });
  const { port } = await server.listen('127.0.0.1', 0);
  t.teardown(() => server.drain(0));
  const held = { peakBytes: 0 };
  const looking = setInterval(() => {
    held.peakBytes = Math.max(held.peakBytes, budget.heldBytes);
  }, 1);
  t.teardown(() => clearInterval(looking));
  const channel = new GrpcDialer(ports).dial(`127.0.0.1:${port}`, 'data');
  t.teardown(() => channel.close());
  await channel.unary(getServerInfo, {});
  return { budget, port, channel, held };
}

async function connection(t: ExecutionContext, port: number): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1_000 });
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  await once(session, 'remoteSettings');
  return session;
}

/** One call, written by hand. `status`: its gRPC status, if it got one. */
class RawCall {
  readonly stream: ClientHttp2Stream;
  status: number | undefined;

  constructor(session: ClientHttp2Session, path: string, headers: Record<string, string> = {}) {
    this.stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    this.stream.on('error', () => {});
    for (const name of ['response', 'trailers']) {
      this.stream.on(name, (got: Record<string, unknown>) => {
        if (got['grpc-status'] !== undefined) this.status = Number(got['grpc-status']);
      });
    }
  }

  get isClosed(): boolean {
    return this.stream.closed || this.stream.destroyed;
  }

  /** Writes one piece after the other, as flow control allows; resolves when all are gone, or the call is. */
  async write(pieces: Iterable<Buffer>): Promise<void> {
    for (const piece of pieces) {
      if (this.isClosed) return;
      await new Promise<void>((resolve) => {
        this.stream.once('close', resolve);
        this.stream.write(piece, () => {
          this.stream.off('close', resolve);
          resolve();
        });
      });
    }
  }
}

const methodPath = (method: string): string => `/moldau.log.v1.LogService/${method}`;

const framed = (message: Uint8Array, flag = 0): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
};

/** A message of so many bytes, but for the last one. */
function* halfMessage(bytes: number): Generator<Buffer> {
  const message = framed(Buffer.alloc(bytes)).subarray(0, -1);
  for (let at = 0; at < message.length; at += 64 * KiB) yield message.subarray(at, at + 64 * KiB);
}

/** Waits for what the other side of a socket does. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(hostTimers, 5);
}

test.serial('half messages on one connection are bounded, and another connection is served meanwhile', async (t) => {
  const { budget, port, channel, held } = await start(t, { appendSession: (session) => aborted(session.signal) });
  const session = await connection(t, port);
  const calls = Array.from({ length: 30 }, () => new RawCall(session, methodPath('AppendSession')));
  for (const { stream } of calls) stream.resume();
  let isOver = false;
  const attack = Promise.all(calls.map((call) => call.write(halfMessage(MiB)))).then(() => {
    isOver = true;
  });
  let served = 0;
  while (!isOver) {
    t.is((await channel.unary(getServerInfo, {}, { timeoutMs: 1_000 })).version, '1');
    served += 1;
  }
  await attack;
  t.true(served > 3, `${served}`);
  t.true(held.peakBytes > limits.connectionHeldBytesMax / 2, `${held.peakBytes}`);
  t.true(held.peakBytes <= limits.connectionHeldBytesMax + turnBytes, `${held.peakBytes}`);
  await until(() => calls.filter(({ isClosed }) => isClosed).length > 20);
  const told = calls.filter(({ isClosed, status }) => isClosed && status === resourceExhausted);
  t.true(told.length > 20, `${told.length} were told why`);
  t.true(
    calls.some(({ isClosed }) => !isClosed),
    'those within the limit stay',
  );
  session.destroy();
  await until(() => budget.heldBytes === 0);
});

test.serial('half messages on many connections are bounded for the server', async (t) => {
  const { port, channel, held } = await start(t, { append: async () => ({}) });
  const sessions = await Promise.all(Array.from({ length: 8 }, () => connection(t, port)));
  const calls = sessions.flatMap((session) =>
    Array.from({ length: 8 }, () => new RawCall(session, methodPath('Append'))),
  );
  for (const { stream } of calls) stream.resume();
  await Promise.all(calls.map((call) => call.write(halfMessage(MiB))));
  t.true(held.peakBytes > limits.heldBytesMax / 2, `${held.peakBytes}`);
  t.true(held.peakBytes <= limits.heldBytesMax + turnBytes, `${held.peakBytes}`);
  t.is((await channel.unary(getServerInfo, {}, { timeoutMs: 1_000 })).version, '1');
  t.true(calls.some(({ status }) => status === resourceExhausted));
});

test.serial('a message in frames of one byte costs what it takes, not what it brings', async (t) => {
  const { budget, port } = await start(t, { appendSession: (session) => aborted(session.signal) });
  const socket = connectSocket(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
    const header = Buffer.alloc(9);
    header.writeUIntBE(payload.length, 0, 3);
    header.set([type, flags], 3);
    header.writeUInt32BE(stream, 5);
    return Buffer.concat([header, payload]);
  };
  const literal = ([name, value]: readonly [string, string]): Buffer =>
    Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
  const headers = {
    ':method': 'POST',
    ':scheme': 'http',
    ':authority': 'x',
    ':path': methodPath('AppendSession'),
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  const resets: number[] = [];
  socket.on('data', (data: Buffer) => {
    for (let at = 0; at + 9 <= data.length; at += 9 + data.readUIntBE(at, 3)) {
      if (data[at + 3] === 3) resets.push(data.readUInt32BE(at + 5));
    }
  });
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  socket.write(frame(4, 0, 0, Buffer.alloc(0)));
  socket.write(frame(1, 4, 1, Buffer.concat(Object.entries(headers).map(literal))));
  socket.write(frame(0, 0, 1, framed(Buffer.alloc(MiB)).subarray(0, 5)));
  const tiny = (count: number): Buffer => Buffer.concat(Array<Buffer>(count).fill(frame(0, 0, 1, Buffer.from([7]))));
  socket.write(tiny(1_000));
  await until(() => budget.heldBytes > 1_000 * 500);
  t.true(budget.heldBytes < 1_000 * 600);
  socket.write(tiny(10_000));
  await until(() => resets.length > 0);
  t.deepEqual(resets, [1]);
  t.is(budget.heldBytes, 0);
});

test.serial('readers that do not read are bounded, and one that does gets everything', async (t) => {
  let sent = 0;
  const { budget, port, channel, held } = await start(t, {
    async *read({ limit }) {
      for (let n = 0n; n < limit; n += 1n) {
        sent += 1;
        yield { batches: new Uint8Array(64 * KiB), nextOffset: n };
      }
    },
  });
  const session = await connection(t, port);
  const calls = Array.from({ length: 40 }, () => new RawCall(session, methodPath('Read')));
  // limit: 10 000
  for (const { stream } of calls) stream.end(framed(Buffer.from([0x28, 0x90, 0x4e])));
  await until(() => calls.some(({ isClosed }) => isClosed));
  let received = 0;
  for await (const _ of channel.serverStream(read, { limit: 200n }, { timeoutMs: 10_000 })) received += 1;
  t.is(received, 200);
  t.true(held.peakBytes <= limits.connectionHeldBytesMax + 2 * MiB, `${held.peakBytes}`);
  t.true(sent < 2_000, `${sent}`);
  t.true(
    calls.every(({ isClosed, stream }) => !isClosed || stream.rstCode === 11),
    'told to calm down',
  );
  session.destroy();
  await until(() => budget.heldBytes === 0);
});

test.serial('a session that is not read and holds too much is ended with a typed error', async (t) => {
  const reasons: unknown[] = [];
  const { port } = await start(t, {
    appendSession: async (session) => {
      await aborted(session.signal);
      reasons.push(session.signal.reason);
    },
  });
  const flooding = new GrpcDialer({ ...ports, limits: defaultLimits }).dial(`127.0.0.1:${port}`, 'data');
  t.teardown(() => flooding.close());
  const sessions = Array.from({ length: 12 }, () => flooding.session(appendSession));
  const frame = { case: 'batches' as const, value: { entries: [{ handle: 1, batch: new Uint8Array(64 * KiB) }] } };
  for (const session of sessions) for (let n = 0; n < 12; n += 1) session.send({ frame });
  await until(() => sessions.some(({ signal }) => signal.aborted));
  const [ended] = sessions.filter(({ signal }) => signal.aborted);
  t.is((await failure(t, ended?.incoming[Symbol.asyncIterator]().next() ?? Promise.resolve())).reason, 'OVERLOADED');
  t.regex(String(reasons[0]), /the memory of this server for one connection is full/);
});

test.serial('what is read is no longer held, and what waits is held once', async (t) => {
  const go = new Gate();
  const released = go.wait();
  const { budget, channel } = await start(t, {
    appendSession: async (session) => {
      await released;
      for await (const _ of session.incoming) session.send({});
    },
  });
  const session = channel.session(appendSession);
  const messages = 10;
  const messageBytes = 10_000;
  for (let n = 0; n < messages; n += 1) {
    const entry = { handle: 1, batch: new Uint8Array(messageBytes) };
    session.send({ frame: { case: 'batches', value: { entries: [entry] } } });
  }
  await until(() => budget.heldBytes > messages * messageBytes);
  await settled(() => budget.heldBytes);
  t.true(budget.heldBytes < 1.1 * messages * messageBytes, `${budget.heldBytes}`);
  go.open();
  const answers = session.incoming[Symbol.asyncIterator]();
  for (let n = 0; n < messages; n += 1) await answers.next();
  await until(() => budget.heldBytes === 0);
  t.false(session.signal.aborted);
});

test.serial('what a handler keeps is held, until it keeps it no more', async (t) => {
  const go = new Gate();
  const released = go.wait();
  const { budget, channel } = await start(t, {
    appendSession: async (session, { keeps }) => {
      keeps(1_000_000);
      keeps(300_000);
      await released;
      keeps(0);
      await aborted(session.signal);
    },
  });
  channel.session(appendSession);
  await until(() => budget.heldBytes === 300_000);
  go.open();
  await until(() => budget.heldBytes === 0);
  t.pass();
});

test.serial('where others hold much, a stream is full after little', async (t) => {
  const counts: number[] = [];
  const { budget, port, channel } = await start(t, {
    appendSession: (session) => aborted(session.signal),
    async fetchSession(session) {
      const entry = { handle: 1, batches: new Uint8Array(16 * KiB) };
      let sent = 1;
      while (session.send({ frame: { case: 'batches', value: { entries: [entry] } } })) sent += 1;
      counts.push(sent);
    },
  });
  const fetch = async (): Promise<void> => {
    for await (const _ of channel.session(fetchSession).incoming);
  };
  await fetch();
  const sessions = await Promise.all([connection(t, port), connection(t, port)]);
  const calls = sessions.flatMap((session) =>
    Array.from({ length: 3 }, () => new RawCall(session, methodPath('AppendSession'))),
  );
  await Promise.all(calls.map((call) => call.write(halfMessage(900 * KiB))));
  await until(() => budget.heldBytes > 5 * MiB);
  await fetch();
  t.deepEqual(counts, [64, 4]);
});

test.serial('a client that goes on sending after its call has failed is not listened to for ever', async (t) => {
  const { port } = await start(t, {
    appendSession: async () => {
      throw new MoldauError('NOT_SERVING', 'not here');
    },
  });
  const call = new RawCall(await connection(t, port), methodPath('AppendSession'));
  call.stream.resume();
  const message = framed(Buffer.alloc(64 * KiB));
  await call.write(
    (function* () {
      for (;;) yield message;
    })(),
  );
  t.is(call.status, unavailable);
});

test.serial('a connection that is nearly full gets no new call, another one does', async (t) => {
  const { budget, port, channel } = await start(t, { appendSession: (session) => aborted(session.signal) });
  const session = await connection(t, port);
  const calls = Array.from({ length: 4 }, () => new RawCall(session, methodPath('AppendSession')));
  await Promise.all(calls.map((call) => call.write(halfMessage(900 * KiB))));
  await until(() => budget.heldBytes > 3 * MiB);
  t.false(calls.some(({ isClosed }) => isClosed));
  const late = new RawCall(session, methodPath('Append'));
  late.stream.resume();
  await until(() => late.status !== undefined);
  t.is(late.status, resourceExhausted);
  t.is((await channel.unary(getServerInfo, {})).version, '1');
});

test.serial('a unary call that has begun is not ended: it would be told that nothing was written', async (t) => {
  const begun = new Gate();
  const go = new Gate();
  const released = go.wait();
  const { budget, port, channel } = await start(t, {
    append: async () => {
      begun.open();
      await released;
      return { partition: 3 };
    },
    appendSession: (session) => aborted(session.signal),
  });
  const inHandler = begun.wait();
  const answer = channel.unary(append, { batch: new Uint8Array(MiB) });
  await inHandler;
  const sessions = await Promise.all(Array.from({ length: 4 }, () => connection(t, port)));
  const calls = sessions.flatMap((session) =>
    Array.from({ length: 4 }, () => new RawCall(session, methodPath('AppendSession'))),
  );
  await Promise.all(calls.map((call) => call.write(halfMessage(900 * KiB))));
  await until(() => calls.some(({ isClosed }) => isClosed));
  t.true(budget.heldBytes >= MiB);
  go.open();
  t.is((await answer).partition, 3);
});

test.serial('messages are not taken compressed', async (t) => {
  const { budget, port } = await start(t, { append: async () => ({}) });
  const session = await connection(t, port);
  const call = new RawCall(session, methodPath('Append'), { 'grpc-encoding': 'gzip' });
  call.stream.resume();
  const bomb = framed(gzipSync(Buffer.alloc(MiB)), 1);
  await call.write(Array<Buffer>(100).fill(bomb));
  await until(() => call.status !== undefined);
  t.is(call.status, unimplemented);
  // The library serves this one, and would unfold it.
  const foreign = new RawCall(session, '/grpc.health.v1.Health/Check', { 'grpc-encoding': 'gzip' });
  foreign.stream.resume();
  foreign.stream.end(framed(gzipSync(Buffer.alloc(MiB)), 1));
  await until(() => foreign.status !== undefined);
  t.not(foreign.status, 0);
  t.true(budget.heldBytes < MiB);
});

test.serial('what the library serves by itself is bounded too', async (t) => {
  const { port, held, channel } = await start(t, {});
  const session = await connection(t, port);
  const name = Buffer.from('moldau.log.v1.LogService');
  const questions = Buffer.concat(Array<Buffer>(500).fill(framed(Buffer.from([34, name.length, ...name]))));
  const call = new RawCall(session, '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo');
  // The answers are not read.
  await call.write(Array<Buffer>(1_000).fill(questions));
  await until(() => call.isClosed);
  t.is(call.stream.rstCode, 11);
  t.true(held.peakBytes <= limits.connectionHeldBytesMax + 32 * 64 * KiB, `${held.peakBytes}`);
  t.is((await channel.unary(getServerInfo, {})).version, '1');
});
