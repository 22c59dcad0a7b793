import type { MessageInitShape } from '@bufbuild/protobuf';
import type { WatchMetadataResponseSchema } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import test from 'ava';
import { type Office, World } from './world.ts';

type Message = MessageInitShape<typeof WatchMetadataResponseSchema>;

/** A client that keeps what a watch tells it. */
class Watcher {
  readonly messages: Message[] = [];
  readonly topics = new Map<string, NonNullable<Message['topics']>[number]>();
  readonly nodes = new Map<number, number>();
  version = 0n;
  error: Error | undefined;
  readonly #abort = new AbortController();
  readonly #reader: AsyncIterator<Message>;

  constructor(office: Office, topics: string[] = []) {
    this.#reader = office.watchMetadata(this.#abort.signal, topics)[Symbol.asyncIterator]();
  }

  /** Reads until the watch ends. */
  follow(): this {
    this.#follow().catch((error: Error) => {
      this.error = error;
    });
    return this;
  }

  stop(): void {
    this.#abort.abort();
  }

  async next(): Promise<Message> {
    const { value } = await this.#reader.next();
    this.#take(value);
    return value;
  }

  async #follow(): Promise<void> {
    for (let at = await this.#reader.next(); at.done !== true; at = await this.#reader.next()) this.#take(at.value);
  }

  #take(message: Message): void {
    const first = message.snapshot === true && this.messages.at(-1)?.complete !== false;
    if (first) this.topics.clear();
    this.messages.push(message);
    for (const topic of message.topics ?? []) this.topics.set(topic.id ?? '', topic);
    for (const id of message.removedTopicIds ?? []) this.topics.delete(id);
    for (const { id, state } of message.nodes ?? []) this.nodes.set(id ?? 0, state ?? 0);
    if (message.complete === true) this.version = message.version ?? 0n;
  }
}

test('a watch begins with a snapshot and then shows every change', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  const watcher = new Watcher(office).follow();
  await world.time.runFor(10);
  t.like(watcher.messages[0], { snapshot: true, complete: true, clusterId: office.coordinator.clusterId });
  t.deepEqual(
    [...watcher.topics.values()].map(({ name }) => name),
    ['a'],
  );
  const { version } = await world.run(office.createTopic({ name: 'b', partitions: 2 }));
  const node = await world.node(office, 1);
  await world.time.runFor(10);
  t.true(watcher.version >= (version ?? 0n));
  t.is([...watcher.topics.values()].flatMap(({ partitions }) => partitions ?? []).length, 3);
  t.true([...watcher.topics.values()].every(({ partitions }) => partitions?.[0]?.leader === undefined));
  node.join(office);
  await world.run(office.deleteTopic({ name: 'a' }));
  await world.until(async () => (await office.leader('b')).leader === 1);
  await world.time.runFor(10);
  t.deepEqual(
    [...watcher.topics.values()].map(({ name, partitions }) => [name, partitions?.[0]?.leader]),
    [['b', 1]],
  );
  t.is(watcher.nodes.get(1), 1);
  t.true(watcher.messages.slice(1).every(({ snapshot }) => snapshot !== true));
  watcher.stop();
});

test('a watch of some topics tells nothing of others', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  const watcher = new Watcher(office, ['b', 'c']).follow();
  for (const name of ['a', 'b', 'c']) await world.run(office.createTopic({ name }));
  await world.run(office.deleteTopic({ name: 'c' }));
  await world.run(office.deleteTopic({ name: 'a' }));
  await world.time.runFor(10);
  t.deepEqual(
    [...watcher.topics.values()].map(({ name }) => name),
    ['b'],
  );
  t.false(watcher.messages.some(({ topics }) => topics?.some(({ name }) => name === 'a')));
  watcher.stop();
});

test('a slow watcher skips what was overtaken, and costs no queue', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  const watcher = new Watcher(office);
  await world.run(watcher.next());
  for (let i = 1; i <= 50; i++) {
    const set = [{ key: 'max.batch.bytes', value: `${i + 1}KiB` }];
    await world.run(office.updateTopic({ name: 'a', set }));
  }
  const { topics } = await world.run(watcher.next());
  t.is(topics?.[0]?.maxBatchBytes, 51 * 1024, 'the newest state, in one message');
  watcher.stop();
});

test('a large snapshot comes in chunks that are complete together', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  for (const name of ['a', 'b', 'c']) await world.run(office.createTopic({ name, partitions: 3_000 }));
  const watcher = new Watcher(office).follow();
  await world.time.runFor(10);
  t.deepEqual(
    watcher.messages.map(({ snapshot, complete }) => [snapshot, complete]),
    [
      [true, false],
      [true, false],
      [true, true],
    ],
  );
  t.is(watcher.topics.size, 3);
  watcher.stop();
});

test('a quiet watch shows that it lives, and a stopping coordinator ends it with NOT_SERVING', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const watcher = new Watcher(office).follow();
  await world.time.runFor(16_000);
  t.is(watcher.messages.length, 4);
  await world.run(office.coordinator.stop());
  await world.time.runFor(10);
  t.is(watcher.error?.name, 'NOT_SERVING');
  await t.throwsAsync(office.getMetadata(), { name: 'NOT_SERVING', message: /stopped/ });
});
