import { hostRandom } from '@moldau/host';
import { type Clock, silentLogger, silentMeter, type Timers } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import test from 'ava';
import { defaultLimits } from '../src/limits.ts';
import { type Conditions, MemoryNetwork } from '../src/memory/memory-network.ts';
import { type Handlers, serve } from '../src/transport.ts';
import { aborted, all, failure, first } from './transport-contract.ts';

/** Time that stands still until the test moves it. */
class StoppedTime implements Clock, Timers {
  #nowMs = 0;
  #waiting: { dueMs: number; callback: () => void }[] = [];

  wallMs(): number {
    return this.#nowMs;
  }
  monotonicMs(): number {
    return this.#nowMs;
  }
  after(afterMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + afterMs, callback };
    this.#waiting.push(timer);
    return () => {
      this.#waiting = this.#waiting.filter((one) => one !== timer);
    };
  }
  /** Fires what is due, in order, and lets everything that follows from it happen. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await quiet();
      const next = this.#waiting.filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter((one) => one !== next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
    }
    this.#nowMs = untilMs;
  }
}

/** More turns of the microtask queue than any chain in these tests is long. */
async function quiet(): Promise<void> {
  for (let n = 0; n < 300; n += 1) await Promise.resolve();
}

const { append, appendSession } = LogService.method;

function setUp(conditions: Conditions, handlers: Handlers<typeof LogService>, limits = defaultLimits) {
  const time = new StoppedTime();
  const network = new MemoryNetwork({ limits, timers: time, conditions });
  const ports = { clock: time, timers: time, random: hostRandom, logger: silentLogger, meter: silentMeter };
  const server = network.listen('b', [serve(LogService, handlers)], ports);
  return { time, network, server, channel: network.dialer('a').dial('b', 'data') };
}

const echo: Handlers<typeof LogService> = {
  append: async ({ partition }) => ({ partition: partition ?? 0 }),
  appendSession: async (session) => {
    for await (const { frame } of session.incoming) {
      if (frame.case === 'close') session.send({ frame: { case: 'drain', value: { graceMs: frame.value.handle } } });
    }
  },
};

test('delays hold for each item, and the order stays', async (t) => {
  const delays = [0, 50, 1, 20, 0, 0, 0];
  const { time, channel, network } = setUp(() => ({ delayMs: delays.shift() ?? 0 }), echo);
  const session = channel.session(appendSession);
  for (const handle of [1, 2, 3]) session.send({ frame: { case: 'close', value: { handle } } });
  session.end();
  const seen: unknown[] = [];
  const reading = (async () => {
    for await (const { frame } of session.incoming) seen.push([time.monotonicMs(), frame.value]);
  })();
  await time.advance(49);
  t.is(seen.length, 0);
  await time.advance(1);
  await reading;
  t.like(seen, [
    [50, { graceMs: 1 }],
    [50, { graceMs: 2 }],
    [50, { graceMs: 3 }],
  ]);
  t.is(network.openCalls, 0);
});

test('a partition holds what is sent until it is released', async (t) => {
  let open = true;
  const { time, network, channel } = setUp((from) => (open || from === 'b' ? { delayMs: 0 } : 'hold'), echo);
  t.is((await channel.unary(append, { partition: 1 })).partition, 1);
  open = false;
  const call = channel.unary(append, { partition: 2 }, { timeoutMs: 1_000 });
  await time.advance(999);
  open = true;
  network.release('a', 'b');
  t.is((await call).partition, 2);
  open = false;
  const late = failure(t, channel.unary(append, {}, { timeoutMs: 1_000 }));
  await time.advance(1_000);
  t.is((await late).reason, 'TIMED_OUT');
});

test('a half-open stream looks alive to the side that hears nothing', async (t) => {
  let open = true;
  const { time, network, channel } = setUp((from) => (open || from === 'a' ? { delayMs: 0 } : 'hold'), echo);
  const session = channel.session(appendSession);
  session.send({ frame: { case: 'close', value: { handle: 7 } } });
  await first(session.incoming);
  open = false;
  network.crash('b');
  await time.advance(60_000);
  t.false(session.signal.aborted);
  open = true;
  network.release('b', 'a');
  t.is((await failure(t, first(session.incoming))).reason, 'UNREACHABLE');
  t.is(network.openCalls, 0);
});

test('a dropped connection breaks every call between the two', async (t) => {
  let drop = false;
  const serverSaw: string[] = [];
  const { time, network, channel } = setUp(() => (drop ? 'drop-connection' : { delayMs: 0 }), {
    appendSession: async (session) => {
      session.send({});
      await aborted(session.signal);
      serverSaw.push((await failure(t, all(session.incoming))).reason);
    },
  });
  const sessions = [channel.session(appendSession), channel.session(appendSession)];
  for (const session of sessions) await first(session.incoming);
  drop = true;
  sessions[0]?.send({});
  for (const session of sessions) t.is((await failure(t, first(session.incoming))).reason, 'UNREACHABLE');
  await time.advance(0);
  t.deepEqual(serverSaw, ['UNREACHABLE', 'UNREACHABLE']);
  t.is(network.openCalls, 0);
});

test('a call whose connection breaks as it sets out is told so', async (t) => {
  const { network, channel } = setUp(() => 'drop-connection', echo);
  t.is((await failure(t, first(channel.session(appendSession).incoming))).reason, 'UNREACHABLE');
  t.is(network.openCalls, 0);
});

test('the server ends an unary call after the deadline of its policy, even when the client waits longer', async (t) => {
  const { time, channel } = setUp(() => ({ delayMs: 0 }), {
    append: async (_, { signal }) => {
      await aborted(signal);
      return {};
    },
  });
  const call = failure(t, channel.unary(append, {}, { timeoutMs: 3_600_000 }));
  await time.advance(70_000);
  t.is((await call).reason, 'TIMED_OUT');
});

test('a closed server takes its calls along, and its address can be used again', async (t) => {
  const { network, server, channel } = setUp(() => ({ delayMs: 0 }), echo);
  const session = channel.session(appendSession);
  session.send({ frame: { case: 'close', value: { handle: 7 } } });
  await first(session.incoming);
  server.close();
  t.is((await failure(t, first(session.incoming))).reason, 'UNREACHABLE');
  t.is((await failure(t, channel.unary(append, {}))).reason, 'UNREACHABLE');
  const time = new StoppedTime();
  const ports = { clock: time, timers: time, random: hostRandom, logger: silentLogger, meter: silentMeter };
  network.listen('b', [serve(LogService, echo)], ports);
  t.is((await channel.unary(append, { partition: 4 })).partition, 4);
  t.is(network.openCalls, 0);
});

test('cancelled calls are forgotten on both ends', async (t) => {
  const { time, network, channel } = setUp(() => ({ delayMs: 5 }), {
    ...echo,
    appendSession: async (session) => session.end(),
  });
  const sessions = Array.from({ length: 10 }, () => channel.session(appendSession));
  for (const [n, session] of sessions.entries()) {
    await time.advance(n);
    session.cancel();
  }
  await time.advance(100);
  t.is(network.openCalls, 0);
});

test('an answer that is on its way arrives, though its server has died meanwhile', async (t) => {
  // The message is the slowest of what comes back: the end of the call overtakes it, and so does the news of the crash.
  const back = [10, 5, 1];
  const conditions: Conditions = (from) => ({ delayMs: from === 'b' ? (back.shift() ?? 0) : 10 });
  const { time, network, channel } = setUp(conditions, echo);
  const answer = channel.unary(append, { partition: 7 });
  await time.advance(15);
  network.crash('b');
  await time.advance(20);
  t.is((await answer).partition, 7);
});

test('calls that hold too much are ended with OVERLOADED on both ends, and those of another address are not', async (t) => {
  const left: unknown[] = [];
  const limits = { ...defaultLimits, heldBytesMax: 2_000_000, connectionHeldBytesMax: 1_000_000 };
  const { channel, network, time } = setUp(
    () => ({ delayMs: 0 }),
    {
      appendSession: async (session) => {
        await aborted(session.signal);
        left.push(session.signal.reason);
      },
    },
    limits,
  );
  const batch = new Uint8Array(100_000);
  const frame = { case: 'batches' as const, value: { entries: [{ handle: 1, batch }] } };
  const sessions = Array.from({ length: 5 }, () => channel.session(appendSession));
  const other = network.dialer('c').dial('b', 'data').session(appendSession);
  for (const session of [...sessions, other]) for (let n = 0; n < 3; n += 1) session.send({ frame });
  await time.advance(0);
  const ended = sessions.filter(({ signal }) => signal.aborted);
  t.true(ended.length >= 2 && ended.length < 5, `${ended.length}`);
  t.is(left.length, ended.length);
  for (const session of ended) t.is((await failure(t, first(session.incoming))).reason, 'OVERLOADED');
  t.false(other.signal.aborted);
  t.is(network.openCalls, 6 - ended.length);
});
