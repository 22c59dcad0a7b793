import type { MessageInitShape } from '@bufbuild/protobuf';
import { BytesValueSchema } from '@bufbuild/protobuf/wkt';
import { hostTimers } from '@moldau/host';
import { type AssertionFailed, assert, Gate, type Logger, MoldauError, silentLogger, sleep } from '@moldau/kernel';
import {
  type AppendSessionRequest,
  type AppendSessionRequestSchema,
  LogService,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';
import type { ExecutionContext, TestFn } from 'ava';
import { defaultLimits } from '../src/limits.ts';
import { type Channel, type Dialer, type Handlers, type ServedService, serve } from '../src/transport.ts';

/** A transport under test: one server with the services, and a way to it. */
export interface Opened {
  readonly address: string;
  readonly dialer: Dialer;
  /** Breaks the server off, as a crash would. */
  kill(): Promise<void>;
}
export type Open = (t: ExecutionContext, services: ServedService[], ports: ServerPorts) => Promise<Opened>;
export interface ServerPorts {
  readonly logger: Logger;
  readonly onAssertion?: (error: AssertionFailed) => void;
}

const { append, read, appendSession, trimPartition, listOffsets } = LogService.method;

type LogHandlers = Handlers<typeof LogService>;

const payload = (bytes: number): Uint8Array => new Uint8Array(bytes);
const entry = (sequence: bigint, batch = payload(0)): MessageInitShape<typeof AppendSessionRequestSchema> => ({
  frame: { case: 'batches', value: { entries: [{ handle: 1, sequence, batch }] } },
});
const sequenceOf = (request: AppendSessionRequest): bigint => {
  assert(request.frame.case === 'batches', 'the test sends batches');
  return request.frame.value.entries[0]?.sequence ?? -1n;
};

/** What both transports must do alike. */
export function transportContract(test: TestFn, open: Open): void {
  const withLog = async (t: ExecutionContext, handlers: LogHandlers, ports: ServerPorts = { logger: silentLogger }) => {
    const opened = await open(t, [serve(LogService, handlers)], ports);
    const channel = opened.dialer.dial(opened.address, 'data');
    t.teardown(() => channel.close());
    return { ...opened, channel };
  };

  test('a unary call is answered', async (t) => {
    const { channel, address } = await withLog(t, {
      append: async (request, { principal, authority, peer }) => {
        t.is(principal.kind, 'anonymous');
        t.is(authority, address);
        t.truthy(peer);
        return { partition: request.partition ?? 0, timestampMs: 7n };
      },
    });
    const answer = await channel.unary(append, { topic: 'orders', partition: 3 });
    t.is(answer.partition, 3);
    t.is(answer.timestampMs, 7n);
    t.is(answer.baseOffset, undefined);
  });

  test('a typed error keeps its reason, message, facts and wait', async (t) => {
    const { channel } = await withLog(t, {
      append: async () => {
        throw new MoldauError(
          'NOT_LEADER',
          'p is led by node 2: go there – „dort“',
          { leader: 2, epoch: 9n },
          { retryAfterMs: 1500 },
        );
      },
    });
    const error = await failure(t, channel.unary(append, {}));
    t.is(error.reason, 'NOT_LEADER');
    t.is(error.message, 'p is led by node 2: go there – „dort“');
    t.deepEqual(error.fields, { leader: '2', epoch: '9' });
    t.is(error.retryAfterMs, 1500);
  });

  test('an error with a huge message still arrives', async (t) => {
    const { channel } = await withLog(t, {
      append: async () => {
        throw new MoldauError('INVALID_REQUEST', `${'ü'.repeat(100_000)}\ud800`, { field: 'x'.repeat(100_000) });
      },
    });
    t.is((await failure(t, channel.unary(append, {}))).reason, 'INVALID_REQUEST');
  });

  test('an unexpected exception leaves its id on the wire and its cause in the log', async (t) => {
    const lines: unknown[] = [];
    const assertions: unknown[] = [];
    const logger = { ...silentLogger, error: (_: string, fields?: object) => lines.push(fields) };
    const { channel } = await withLog(
      t,
      {
        append: async () => {
          throw new Error('password=hunter2');
        },
        listOffsets: async () => {
          assert(false, 'the table has a row');
        },
      },
      { logger, onAssertion: (error) => assertions.push(error.message) },
    );
    const error = await failure(t, channel.unary(append, {}));
    t.is(error.reason, 'INTERNAL');
    t.notRegex(error.message, /hunter2/);
    t.like(lines[0], { id: error.fields.id, where: 'moldau.log.v1.LogService/Append' });
    t.is((await failure(t, channel.unary(listOffsets, {}))).reason, 'INTERNAL');
    t.deepEqual(assertions, ['the table has a row']);
  });

  test('a method without a handler, and a service that is not there, answer UNIMPLEMENTED', async (t) => {
    const { channel } = await withLog(t, {});
    t.is((await failure(t, channel.unary(append, {}))).reason, 'UNIMPLEMENTED');
    t.is((await failure(t, first(channel.serverStream(read, {})))).reason, 'UNIMPLEMENTED');
    t.is((await failure(t, first(channel.session(appendSession).incoming))).reason, 'UNIMPLEMENTED');
    t.is((await failure(t, channel.unary(ServerInfoService.method.getServerInfo, {}))).reason, 'UNIMPLEMENTED');
  });

  test('a message above its limit is refused with a typed error', async (t) => {
    const { channel } = await withLog(t, {
      trimPartition: async () => ({}),
      append: async () => ({}),
      appendSession: async (session) => {
        for await (const _ of session.incoming) session.send({});
      },
    });
    const { controlBytesMax, frameBytesMax } = defaultLimits;
    await t.notThrowsAsync(channel.unary(trimPartition, { topic: 'x'.repeat(controlBytesMax - 100) }));
    await t.notThrowsAsync(channel.unary(append, { batch: payload(frameBytesMax - 100) }));
    const control = await failure(t, channel.unary(trimPartition, { topic: 'x'.repeat(controlBytesMax + 100) }));
    t.is(control.reason, 'INVALID_REQUEST');
    for (const bytes of [frameBytesMax + 100, 2 * frameBytesMax, 20 * frameBytesMax]) {
      t.is((await failure(t, channel.unary(append, { batch: payload(bytes) }))).reason, 'INVALID_REQUEST', `${bytes}`);
    }
    const session = channel.session(appendSession);
    session.send(entry(0n, payload(frameBytesMax + 100)));
    t.is((await failure(t, first(session.incoming))).reason, 'INVALID_REQUEST');
  });

  test('bytes that are no message are refused', async (t) => {
    const { channel } = await withLog(t, { trimPartition: async () => ({}) });
    // The same path with another request type: its bytes are no UTF-8 text, as field 1 should be.
    const forged = { ...trimPartition, input: BytesValueSchema };
    const error = await failure(t, channel.unary(forged, { value: new Uint8Array([0xff, 0xfe]) }));
    t.is(error.reason, 'INVALID_REQUEST');
  });

  test('a server stream arrives in order and ends', async (t) => {
    const { channel } = await withLog(t, {
      async *read(request) {
        for (let n = 0n; n < request.limit; n += 1n) yield { nextOffset: n };
      },
    });
    const seen: bigint[] = [];
    for await (const message of channel.serverStream(read, { limit: 500n })) seen.push(message.nextOffset);
    t.deepEqual(
      seen,
      Array.from({ length: 500 }, (_, n) => BigInt(n)),
    );
  });

  test('leaving the loop of a server stream stops the server', async (t) => {
    const stopped = new Gate();
    const waiting = stopped.wait();
    const { channel } = await withLog(t, {
      async *read(_, { signal }) {
        try {
          for (;;) {
            yield { nextOffset: 1n };
            await sleep(hostTimers, 1, signal);
          }
        } finally {
          stopped.open();
        }
      },
    });
    for await (const message of channel.serverStream(read, { follow: true })) {
      t.is(message.nextOffset, 1n);
      break;
    }
    await waiting;
    t.pass();
  });

  test('a server stream that fails throws behind what was read', async (t) => {
    const { channel } = await withLog(t, {
      async *read() {
        yield { nextOffset: 1n };
        throw new MoldauError('CORRUPT_DATA', 'damaged', { from: 1n, to: 2n });
      },
    });
    const error = await failure(t, all(channel.serverStream(read, {})));
    t.is(error.reason, 'CORRUPT_DATA');
  });

  test('a reader that does not read stops the server, in bytes', async (t) => {
    const { windowBytes, sendBufferBytes, receiveBufferBytes } = defaultLimits;
    const bound = windowBytes + sendBufferBytes + receiveBufferBytes + 2 * 1024 * 1024;
    let sent = 0;
    const { channel } = await withLog(t, {
      async *read() {
        for (let n = 0; n < 400; n += 1) {
          sent += 65_536;
          yield { batches: payload(65_536) };
        }
      },
    });
    const messages = channel.serverStream(read, { follow: true })[Symbol.asyncIterator]();
    await messages.next();
    const stalled = await settled(() => sent);
    t.true(stalled > receiveBufferBytes && stalled <= bound, `${stalled} of ${bound}`);
    let received = 1;
    while ((await messages.next()).done !== true) received += 1;
    t.is(received, 400);
  });

  test('a session carries both directions in order, and ends on both sides', async (t) => {
    const { channel } = await withLog(t, {
      appendSession: async (session) => {
        for await (const request of session.incoming) {
          session.send({ frame: { case: 'acks', value: { acks: [{ sequence: sequenceOf(request) }] } } });
        }
        session.send({ frame: { case: 'drain', value: { graceMs: 5 } } });
      },
    });
    const session = channel.session(appendSession);
    for (let n = 0n; n < 300n; n += 1n) session.send(entry(n));
    session.end();
    const seen: (bigint | string | undefined)[] = [];
    for await (const { frame } of session.incoming) {
      seen.push(frame.case === 'acks' ? frame.value.acks[0]?.sequence : frame.case);
    }
    t.deepEqual(seen, [...Array.from({ length: 300 }, (_, n) => BigInt(n)), 'drain']);
    t.true(session.signal.aborted);
    t.false(session.send({}));
    await session.drained();
  });

  test('a session whose peer does not read fills up in bytes, and drains', async (t) => {
    const go = new Gate();
    const released = go.wait();
    let taken = 0;
    const { channel } = await withLog(t, {
      appendSession: async (session) => {
        await released;
        for await (const _ of session.incoming) taken += 1;
      },
    });
    const session = channel.session(appendSession);
    let sent = 0;
    let drained = 0;
    for (;;) {
      sent += 1;
      if (session.send(entry(0n, payload(65_536)))) continue;
      const before = drained;
      const room = session.drained().then(() => {
        drained += 1;
      });
      await settled(() => drained);
      if (drained > before) continue;
      go.open();
      await room;
      break;
    }
    const bytes = sent * 65_536;
    const { windowBytes, sendBufferBytes, receiveBufferBytes } = defaultLimits;
    t.true(bytes >= sendBufferBytes);
    t.true(bytes <= windowBytes + sendBufferBytes + receiveBufferBytes + 2 * 1024 * 1024, `${bytes}`);
    session.end();
    await all(session.incoming);
    t.is(taken, sent);
  });

  test('a session in which nobody listens to "full" is broken off', async (t) => {
    const { channel } = await withLog(t, { appendSession: (session) => aborted(session.signal) });
    const session = channel.session(appendSession);
    for (let n = 0; n < 1000 && !session.signal.aborted; n += 1) session.send(entry(0n, payload(1024 * 1024)));
    t.true(session.signal.aborted);
    t.is((await failure(t, first(session.incoming))).reason, 'OVERLOADED');
  });

  test('the client cancels a session', async (t) => {
    const left = new Gate();
    const gone = left.wait();
    const { channel } = await withLog(t, {
      appendSession: async (session, context) => {
        session.send({});
        t.deepEqual(await all(session.incoming), []);
        await aborted(session.signal);
        t.true(context.signal.aborted);
        left.open();
      },
    });
    const session = channel.session(appendSession);
    await first(session.incoming);
    session.cancel(new MoldauError('CONFLICT', 'enough'));
    t.is((await failure(t, first(session.incoming))).reason, 'CONFLICT');
    t.true(session.signal.aborted);
    await gone;
  });

  test('the server cancels a session', async (t) => {
    const { channel } = await withLog(t, {
      appendSession: async (session) => {
        await first(session.incoming);
        session.cancel();
      },
    });
    const session = channel.session(appendSession);
    session.send({});
    t.is((await failure(t, first(session.incoming))).reason, 'NOT_SERVING');
    t.true(session.signal.aborted);
  });

  test('the server ends a session that the client holds open', async (t) => {
    const { channel } = await withLog(t, {
      appendSession: async (session) => {
        session.send({});
        session.end();
        t.false(session.send({}));
      },
    });
    const session = channel.session(appendSession);
    t.is((await all(session.incoming)).length, 1);
    t.true(session.signal.aborted);
  });

  test('a session handler that throws ends the session with its error', async (t) => {
    const { channel } = await withLog(t, {
      appendSession: async () => {
        throw new MoldauError('STALE_NODE', 'a newer start of node 1 exists', { node: 1 });
      },
    });
    t.is((await failure(t, first(channel.session(appendSession).incoming))).reason, 'STALE_NODE');
  });

  test('a session handler that throws at once is a bug like any other', async (t) => {
    const { channel } = await withLog(t, {
      appendSession: () => {
        throw new TypeError('no function');
      },
    });
    t.is((await failure(t, first(channel.session(appendSession).incoming))).reason, 'INTERNAL');
  });

  test('a deadline passes on the client, and the handler is told', async (t) => {
    let told = 0;
    const { channel } = await withLog(t, {
      append: async (_, { signal }) => {
        await aborted(signal);
        told += 1;
        return {};
      },
      appendSession: (session) => aborted(session.signal),
    });
    // On a busy machine the deadline may pass before the call has arrived: then nobody is told.
    while (told === 0) {
      const error = await failure(t, channel.unary(append, {}, { timeoutMs: 50 }));
      t.is(error.reason, 'TIMED_OUT');
      t.is(error.outcome, 'UNKNOWN');
      await settled(() => told);
    }
    const session = channel.session(appendSession, { timeoutMs: 50 });
    t.is((await failure(t, first(session.incoming))).reason, 'TIMED_OUT');
    t.true(session.signal.aborted);
  });

  test('a signal ends calls with its reason', async (t) => {
    const { channel } = await withLog(t, {
      append: async (_, { signal }) => {
        await aborted(signal);
        return {};
      },
      appendSession: (session) => aborted(session.signal),
    });
    const controller = new AbortController();
    const reason = new MoldauError('NOT_SERVING', 'leaving');
    const call = channel.unary(append, {}, { signal: controller.signal });
    const session = channel.session(appendSession, { signal: controller.signal });
    const reading = first(session.incoming);
    controller.abort(reason);
    t.is(await failure(t, call), reason);
    t.is(await failure(t, reading), reason);
    t.is(await failure(t, channel.unary(append, {}, { signal: controller.signal })), reason);
    t.is(await failure(t, first(channel.serverStream(read, {}, { signal: controller.signal }))), reason);
  });

  test('a server that goes away breaks what is open', async (t) => {
    const { channel, kill } = await withLog(t, {
      append: async (_, { signal }) => {
        await aborted(signal);
        return {};
      },
      appendSession: async (session) => {
        session.send({});
        await aborted(session.signal);
      },
    });
    const session = channel.session(appendSession);
    await first(session.incoming);
    const call = channel.unary(append, {});
    const rest = first(session.incoming);
    await kill();
    t.is((await failure(t, rest)).reason, 'UNREACHABLE');
    t.is((await failure(t, call)).reason, 'UNREACHABLE');
    t.true(session.signal.aborted);
    t.is((await failure(t, channel.unary(append, {}, { timeoutMs: 5_000 }))).reason, 'UNREACHABLE');
  });

  test('a closed channel breaks what is open and takes nothing new', async (t) => {
    const { channel } = await withLog(t, {
      appendSession: async (session) => {
        session.send({});
        await aborted(session.signal);
      },
    });
    const session = channel.session(appendSession);
    await first(session.incoming);
    const rest = first(session.incoming);
    channel.close();
    t.is((await failure(t, rest)).reason, 'UNREACHABLE');
    t.is((await failure(t, channel.unary(append, {}))).reason, 'UNREACHABLE');
    t.is((await failure(t, first(channel.session(appendSession).incoming))).reason, 'UNREACHABLE');
  });

  test('nobody listens at the address', async (t) => {
    const { dialer } = await withLog(t, {});
    const channel: Channel = dialer.dial('127.0.0.1:1', 'control');
    t.teardown(() => channel.close());
    t.is((await failure(t, channel.unary(append, {}))).reason, 'UNREACHABLE');
  });
}

export async function failure(t: ExecutionContext, promise: Promise<unknown>): Promise<MoldauError> {
  const error = await t.throwsAsync(promise);
  assert(error instanceof MoldauError, `a MoldauError, not ${String(error)}`);
  return error;
}

export async function first<T>(messages: AsyncIterable<T>): Promise<T | undefined> {
  const next = await messages[Symbol.asyncIterator]().next();
  return next.done === true ? undefined : next.value;
}

export async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const message of messages) seen.push(message);
  return seen;
}

export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** The value once it has not changed for a while of real time: what can't be awaited is that nothing happens. */
export async function settled(value: () => number): Promise<number> {
  let last = value();
  for (let quiet = 0; quiet < 10; ) {
    await sleep(hostTimers, 10);
    const now = value();
    quiet = now === last ? quiet + 1 : 0;
    last = now;
  }
  return last;
}
