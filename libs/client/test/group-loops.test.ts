import { codec, type GroupConsumer, type GroupConsumerOptions, type Moldau } from '@moldau/client';
import { hasReason, silentLogger, sleep } from '@moldau/kernel';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';

/** A cluster with topics `t` of two partitions, in which 20 records are, and `dlq`. */
async function world(logger = silentLogger) {
  const cluster = new SimulatedCluster({ seed: 9, groupCoordinators: 1, logger });
  const { time } = cluster;
  await time.run(cluster.start());
  const client = cluster.client('app');
  await time.run(client.admin.createTopic({ name: 't', partitions: 2 }));
  await time.run(client.admin.createTopic({ name: 'dlq', partitions: 1 }));
  const write = async (): Promise<void> => {
    await using producer = client.producer({ topic: 't', linger: 0 });
    for (let i = 0; i < 20; i += 1) await producer.push({ key: `k${i % 4}`, value: `${i}`, partition: i % 2 });
  };
  await time.run(write());
  const join = (options: Partial<GroupConsumerOptions<string, string>> = {}, by: Moldau = client): GroupConsumer =>
    by.consumer({ group: 'g', topics: ['t'], from: 'start', ...options });
  return { cluster, time, client, join };
}

const committed = (consumer: GroupConsumer) =>
  consumer.committed().then((all) => all.map(({ offset }) => Number(offset ?? 0n)).reduce((a, b) => a + b, 0));

test('whoever leaves a loop leaves what it has in hand undone: it comes again, to the next loop', async (t) => {
  const { time, join } = await world();
  const consumer = join({ commit: 'manual' });
  const read = async (count: number): Promise<string[]> => {
    const values: string[] = [];
    for await (const record of consumer) {
      values.push(record.value ?? '');
      if (values.length === count) break;
    }
    return values;
  };
  const first = await time.run(read(5));
  await time.run(consumer.commit());
  t.is(await time.run(committed(consumer)), 4);
  const rest = await time.run(read(16));
  t.is(new Set([...first.slice(0, 4), ...rest]).size, 20);
  t.true(rest.includes(first[4] ?? ''));
  await time.run(consumer.close());
});

test('a batch ends before what can not be decoded: that is not committed with it, and comes again', async (t) => {
  const { time, join } = await world();
  const decode = (bytes: Uint8Array): string => {
    const text = new TextDecoder().decode(bytes);
    if (text === '6') throw new Error('no sixes');
    return text;
  };
  const consumer = join({ commit: 'manual', value: { ...codec.text, decode } });
  const seen: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const batch of consumer.batches()) {
      for (const { partition, value } of batch.records) if (partition === 0) seen.push(value ?? '');
      await batch.commit();
    }
  };
  for (let i = 0; i < 2; i += 1) await t.throwsAsync(time.run(reading()), { message: /no sixes/ });
  t.deepEqual(seen, ['0', '2', '4']);
  const positions = await time.run(consumer.committed());
  t.is(positions.find(({ partition }) => partition === 0)?.offset, 3n);
  await time.run(consumer.close());
});

test('a commit beside a busy loop ends, and the loop is committed no oftener than it says', async (t) => {
  const { cluster, time, client, join } = await world();
  const consumer = join({ commit: '500ms' });
  const producer = client.producer({ topic: 't', linger: 0 });
  let isOver = false;
  const writing = (async () => {
    for (; !isOver; await sleep(cluster.time, 5)) await producer.push({ value: 'more' });
  })();
  const reading = (async () => {
    for await (const record of consumer) void record;
  })();
  await time.runUntil(() => consumer.assignment.length === 2, 60_000);
  await time.run(sleep(cluster.time, 1_000));
  const beganAt = time.monotonicMs();
  await time.run(consumer.commit());
  t.true(time.monotonicMs() - beganAt < 500);
  let offsets = await time.run(committed(consumer));
  let changes = 0;
  for (let i = 0; i < 100; i += 1) {
    await time.run(sleep(cluster.time, 25));
    const now = await time.run(committed(consumer));
    if (now !== offsets) changes += 1;
    offsets = now;
  }
  t.true(changes >= 4 && changes <= 6, `${changes} times in 2.5 seconds`);
  isOver = true;
  await time.run(writing);
  await time.run(producer.close());
  await time.run(consumer.close());
  await time.run(reading);
});

test('what was done and not committed comes again after a death; what was committed does not', async (t) => {
  const { cluster, time, join } = await world();
  const dead = join({ commit: 'manual' }, cluster.client('dying'));
  const seen: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const batch of dead.batches({ maxRecords: 6, maxWait: 50 })) {
      seen.push(...batch.records.map(({ value }) => value ?? ''));
      if (seen.length === 6) await batch.commit();
      else return;
    }
  };
  await time.run(reading());
  cluster.network.freeze('dying');
  const next = join();
  const again: string[] = [];
  const over = (async () => {
    for await (const record of next) again.push(record.value ?? '');
  })();
  await time.runUntil(() => again.length === 14, 120_000);
  t.deepEqual(new Set([...seen.slice(0, 6), ...again]).size, 20);
  await time.run(next.close());
  await time.run(over);
});

test('run: a key is handled in its order, keys side by side; what fails for good is put aside, and counts as done', async (t) => {
  const { cluster, time, client, join } = await world();
  const consumer = join();
  const handled: string[] = [];
  let attempts = 0;
  let now = 0;
  let most = 0;
  const run = consumer.run(
    { concurrency: 8, ordering: 'key', retry: { attempts: 3, backoff: 10 }, deadLetter: 'dlq' },
    async (record) => {
      now += 1;
      most = Math.max(most, now);
      try {
        await sleep(cluster.time, 5);
        if (record.value === '7') {
          attempts += 1;
          throw new Error('no sevens');
        }
        handled.push(`${record.key} ${record.value}`);
      } finally {
        now -= 1;
      }
    },
  );
  await time.runUntil(() => handled.length === 19 && attempts === 3, 60_000);
  t.true(most > 1, 'keys are handled side by side');
  for (const key of ['k0', 'k1', 'k2', 'k3']) {
    const own = handled.filter((one) => one.startsWith(key)).map((one) => Number(one.split(' ')[1]));
    t.deepEqual(
      own,
      own.toSorted((a, b) => a - b),
    );
  }
  const aside = async () => {
    for await (const record of client.read('dlq')) return record;
    return undefined;
  };
  const record = await time.run(aside());
  t.is(record?.value, '7');
  const headers = new Map(record?.headers.map(({ name, value }) => [name, Buffer.from(value ?? []).toString()]));
  t.is(headers.get('dead-letter-reason'), 'Error: no sevens');
  t.is(headers.get('dead-letter-attempts'), '3');
  await time.run(consumer.commit());
  t.is(await time.run(committed(consumer)), 20);
  await time.run(consumer.close());
  await time.run(run);
});

test('run: without a dead letter the failure ends it, and what failed is not done', async (t) => {
  const { time, join } = await world();
  const consumer = join({ commit: 'manual' });
  const run = consumer.run({}, (record) => {
    if (record.value === '8') throw new Error('no eights');
  });
  await t.throwsAsync(time.run(run), { message: 'no eights' });
  await time.run(consumer.commit());
  const positions = await time.run(consumer.committed());
  t.is(positions.find(({ partition }) => partition === 0)?.offset, 4n);
  await time.run(consumer.close());
});

test('run: what is dead and fails again ends the run: it is not put aside behind itself', async (t) => {
  const { time, join } = await world();
  const consumer = join({ topics: ['t'] });
  let calls = 0;
  const run = consumer.run({ deadLetter: 't' }, () => {
    calls += 1;
    throw new Error('never');
  });
  await t.throwsAsync(time.run(run), { message: 'never' });
  t.is(calls, 1);
  await time.run(consumer.close());
});

test('a handler of minutes keeps its partitions; one that is asked to give up is told, and waited for', async (t) => {
  const { cluster, time, join } = await world();
  const slow = join();
  let isHandling = false;
  let wasTold = false;
  let inHand = -1;
  const handled: string[] = [];
  const over = (async () => {
    for await (const record of slow) {
      handled.push(record.value ?? '');
      if (handled.length > 1) continue;
      isHandling = true;
      inHand = record.partition;
      await sleep(cluster.time, 120_000, record.signal).catch(() => {
        wasTold = true;
      });
      await sleep(cluster.time, 10_000);
    }
  })();
  await time.runUntil(() => isHandling);
  await time.runFor(100_000);
  t.is(slow.assignment.length, 2, 'heartbeats need no help');
  const other = join({}, cluster.client('other'));
  const others: string[] = [];
  const otherOver = (async () => {
    for await (const record of other) others.push(record.value ?? '');
  })();
  await time.runUntil(() => other.assignment.length === 1, 60_000);
  t.is(wasTold, other.assignment[0]?.partition === inHand, 'whoever works on what goes is told');
  await time.runUntil(() => handled.length + others.length >= 20, 60_000);
  t.is(new Set([...handled, ...others]).size, 20);
  t.is(handled.length + others.length, 20, 'what was handled was committed before');
  await time.run(Promise.all([slow.close(), other.close(), over, otherOver]));
});

test('a static member that restarts has its partitions again, and the other one hears nothing', async (t) => {
  const { cluster, time, join } = await world();
  const before = join({ instanceId: 'i' }, cluster.client('one'));
  const other = join({}, cluster.client('two'));
  await time.runUntil(() => before.assignment.length === 1 && other.assignment.length === 1, 60_000);
  const had = before.assignment;
  let changes = 0;
  other.on('assigned', () => (changes += 1));
  other.on('revoked', () => (changes += 1));
  await time.run(before.close());
  const back = join({ instanceId: 'i' }, cluster.client('one again'));
  await time.runUntil(() => back.assignment.length === 1, 60_000);
  t.deepEqual(back.assignment, had);
  t.is(changes, 0);
  await time.run(Promise.all([back.close(), other.close()]));
});

test('a client that is closed ends every loop as its consumer would, and members leave their groups', async (t) => {
  const { time, cluster, join } = await world();
  const app = cluster.client('closing');
  const member = join({ commit: 'manual' }, app);
  const reads = [member, app.consumer({ topics: ['t'] }), app.read('t')].map(async (records) => {
    for await (const record of records) void record;
  });
  const other = join({ group: 'g', from: 'end' });
  await time.runUntil(() => member.assignment.length === 1 && other.assignment.length === 1, 60_000);
  await time.run(app.close());
  await time.run(Promise.all(reads));
  t.throws(() => app.consumer({ topics: ['t'] }), { message: /^client is closed: connect again/ });
  await time.runUntil(() => other.assignment.length === 2, 1_000);
  await time.run(other.close());
  t.is(other.assignment.length, 0);
});

test('whoever waits inside a loop for its own end is told so', async (t) => {
  const warnings: string[] = [];
  const { time, join } = await world({ ...silentLogger, warn: (message) => warnings.push(message) });
  const consumer = join({ revokeTimeout: '5s' });
  const reading = async (): Promise<void> => {
    for await (const _ of consumer) await consumer.close();
  };
  await time.run(reading());
  t.regex(warnings.join('\n'), /^close waits for records in hand: inside a loop or a handler, leave that first/);
});

test('a pattern selects topics; bad input says what is wrong; one loop at a time', async (t) => {
  const { time, join, client } = await world();
  const matched = client.consumer({ group: 'p', pattern: /t|dlq/ });
  await time.runUntil(() => matched.assignment.length === 3, 60_000);
  const refused = (options: Partial<GroupConsumerOptions<string, string>>, message: RegExp): void => {
    const error = t.throws(() => join(options));
    t.true(hasReason(error, 'INVALID_REQUEST'));
    t.regex(error.message, message);
  };
  refused({ group: '' }, /^group is no name/);
  refused({ topics: [] }, /^topics are missing/);
  refused({ topics: 't' as never }, /^topics are no list of names/);
  refused(
    { assignment: [] } as never,
    /^assignment is no option of a consumer in a `group`: there are group, topics, /,
  );
  refused({ groupId: 'g' } as never, /^groupId is no option/);
  refused({ revokeTimeout: -1 }, /^revokeTimeout/);
  refused({ rebalanceTimeout: 1 }, /^rebalanceTimeout/);
  const tooLong = /^revokeTimeout is 20s: not longer than rebalanceTimeout, 10s/;
  refused({ revokeTimeout: '20s', rebalanceTimeout: '10s' }, tooLong);
  const bad = client.consumer({ group: 'bad', pattern: '(' });
  const error = await t.throwsAsync(time.run(bad[Symbol.asyncIterator]().next()));
  t.true(hasReason(error, 'INVALID_REGEX'));
  const runs = (options: object) => time.run(matched.run(options, () => {}));
  await t.throwsAsync(runs({ ordering: 'keys' }), { message: /^ordering is "keys": use 'partition' or 'key'/ });
  const below = [{ topic: 't', partition: 0, offset: -1n }];
  await t.throwsAsync(time.run(matched.commit(below)), { message: /^offset is -1: give a bigint/ });
  for (const options of [undefined, 't', []] as never[])
    t.throws(() => client.consumer(options), { message: /^topics are missing|^0 is no option/ });
  await t.throwsAsync(runs({ concurency: 2 }), { message: /^concurency is no option of `run`/ });
  await t.throwsAsync(runs({ retry: { attempts: 2, backoff: -1 } }), {
    message: /^retry.backoff -1 is out of/,
  });
  const batches = matched.batches({ maxRecords: 0 }).next();
  await t.throwsAsync(time.run(batches), { message: /^maxRecords is 0: at least 1/ });
  t.throws(() => matched.on('rebalance' as never, () => {}), {
    message: /^event is "rebalance": there are assigned, /,
  });
  matched[Symbol.asyncIterator]();
  t.throws(() => matched[Symbol.asyncIterator](), { message: /one at a time/ });
  await time.run(matched.close());
});
