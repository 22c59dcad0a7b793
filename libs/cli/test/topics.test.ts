import test from 'ava';
import { type Ended, onTerminal, startServer } from './moldau-process.ts';

async function cluster(t: Parameters<typeof startServer>[0]) {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  const given = (stdin = '') => ({ env, stdin, terminal: false });
  const ok = async (line: string, stdin?: string): Promise<string> => {
    const ended = await onTerminal(line.split(' '), given(stdin));
    t.is(ended.code, 0, `${line}: ${ended.stderr}`);
    return ended.stdout;
  };
  const any = (line: string): Promise<Ended> => onTerminal(line.split(' '), given());
  const rows = async (line: string): Promise<unknown[]> =>
    (await ok(line))
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => JSON.parse(text) as unknown);
  return { endpoint, env, ok, any, rows };
}

test('the life of a topic', async (t) => {
  const { ok, any, rows } = await cluster(t);
  await ok('topic create orders --partitions 2 --config retention=7d -c segment.bytes=16MiB');
  t.like((await rows('topic list'))[0], { name: 'orders', partitions: 2, replicas: 1, size_bytes: 0 });

  const [set] = await rows('topic config set orders retention=30d');
  t.deepEqual(set, { key: 'retention', value: '30d', source: 'topic' });
  t.like((await rows('topic config get orders segment.bytes'))[0], { value: '16MiB', source: 'topic' });
  t.like((await rows('topic config unset orders retention'))[0], { key: 'retention', source: 'default' });
  await ok('topic config set orders retention=1d --dry-run');
  t.like((await rows('topic config get orders retention'))[0], { source: 'default' });

  await ok('topic add-partitions orders --to 4 --dry-run');
  t.like((await rows('topic list'))[0], { partitions: 2 });
  await ok('topic add-partitions orders --to 4');
  t.like((await rows('topic list'))[0], { partitions: 4 });

  await ok('topic delete orders --dry-run');
  t.is((await rows('topic list')).length, 1);
  t.is((await any('topic delete orders')).code, 2);
  t.is((await rows('topic list')).length, 1);
  await ok('topic delete orders --yes');
  t.is((await rows('topic list')).length, 0);
});

test('a name that can never be: none of the topics is created', async (t) => {
  const { any, env, rows } = await cluster(t);
  const { code, stdout, stderr } = await onTerminal(['topic', 'create', 'good1', 'bad name', 'good2'], { env });
  t.is(code, 2);
  t.is(stdout, '');
  t.regex(stderr, /^moldau: name is "bad name": only /);
  t.is((await rows('topic list')).length, 0);
  // One that is there already hinders no other.
  t.is((await any('topic create good1')).code, 0);
  t.is((await any('topic create good1 good2')).code, 5);
  t.is((await any('topic create good1 good2 good3 --if-not-exists')).code, 0);
  t.is((await rows('topic list')).length, 3);
});

test('describe shows how many replicas an append needs, where there are fewer than the setting says', async (t) => {
  const { env, ok, rows } = await cluster(t);
  await ok('topic create alone');
  const { stdout } = await onTerminal(['topic', 'describe', 'alone'], { env });
  t.regex(stdout, /\nmin\.insync\.replicas +1 \(2, but there are no more replicas\) +default\n/);
  t.like((await rows('topic config get alone min.insync.replicas'))[0], { value: '2' });
  await ok('topic config set alone min.insync.replicas=1');
  t.regex((await onTerminal(['topic', 'describe', 'alone'], { env })).stdout, /\nmin\.insync\.replicas +1 +topic\n/);
});

test('where only some can be deleted, it is partly done', async (t) => {
  const { ok, any, rows } = await cluster(t);
  await ok('topic create a b');
  const { code, stderr } = await any('topic delete a nowhere b --yes');
  t.is(code, 5);
  t.regex(stderr, /deleted a\ndeleted b\nmoldau: no topic "nowhere"/);
  t.is((await rows('topic list')).length, 0);
});

test('offsets, and trim', async (t) => {
  const { ok, rows } = await cluster(t);
  await ok('produce orders', '1\n2\n3\n4\n5\n');
  t.like((await rows('topic offsets orders'))[0], { partition: 0, start: '0', end: '5', offsets: '5' });
  t.like((await rows('topic offsets orders -o -2'))[0], { found: '3' });
  t.like((await rows('topic offsets orders -o @-1h'))[0], { found: '0' });
  const dry = await rows('topic trim orders --before -2 --dry-run');
  t.deepEqual(dry, [{ partition: 0, start: '0', new_start: '3' }]);
  t.like((await rows('topic offsets orders'))[0], { start: '0' });
  await ok('topic trim orders --before -2 --yes');
  t.like((await rows('topic offsets orders'))[0], { start: '3', end: '5' });
  t.is(await ok('consume orders -o start -e'), '4\n5\n');
  // What lies before is gone already.
  t.deepEqual(await rows('topic trim orders -p 0 --before 1 --yes'), [{ partition: 0, start: '3', new_start: '3' }]);
});

test('a person is asked, and may say no', async (t) => {
  const { env, rows, ok } = await cluster(t);
  await ok('topic create orders');
  const no = await onTerminal(['topic', 'delete', 'orders'], { env, stdin: 'n\n' });
  t.is(no.code, 1);
  t.regex(no.stderr, /This will delete topic orders with all records\. Go on\? \[y\/N\][\s\S]*nothing was changed/);
  t.is((await rows('topic list')).length, 1);
  const yes = await onTerminal(['topic', 'delete', 'orders'], { env, stdin: 'yes\n' });
  t.is(yes.code, 0);
  t.is((await rows('topic list')).length, 0);
});

test('listings in each form', async (t) => {
  const { env, ok } = await cluster(t);
  await ok('topic create b a -p 2');
  t.is(await ok('topic list --output name'), 'a\nb\n');
  t.is((JSON.parse(await ok('topic list --output json')) as unknown[]).length, 2);
  t.is((await ok('topic list --output jsonl')).trim().split('\n').length, 2);
  t.regex(await ok('topic list --output yaml'), /^- name: "a"\n {2}id: "\w+"\n {2}partitions: 2\n/);
  t.regex(
    await ok('topic list --output table'),
    /^NAME +ID +PARTITIONS +REPLICAS +INTERNAL +OFFLINE PARTITIONS +SIZE\na +\w+ +2 /,
  );
  // Unsaid: a table for a person, lines of JSON for a program; the variable and the place of the flag do not matter.
  t.regex((await onTerminal(['topic', 'list'], { env })).stdout, /^NAME/);
  t.regex(await ok('topic list'), /^\{"name":"a"/);
  t.is(await ok('--output name topic list'), 'a\nb\n');
  t.is((await onTerminal(['topic', 'list'], { env: { ...env, MOLDAU_OUTPUT: 'name' } })).stdout, 'a\nb\n');
  t.regex(
    (await onTerminal(['topic', 'describe', 'a'], { env })).stdout,
    /^name +a\n[\s\S]*PARTITION +LEADER[\s\S]*\nKEY +VALUE +SOURCE\n/,
  );
  t.like(JSON.parse(await ok('topic describe a')), { topic: { name: 'a' } });
});

test('cluster: status, health, nodes, partitions', async (t) => {
  const { env, endpoint, ok, any, rows } = await cluster(t);
  await ok('topic create orders -p 2');
  // A storage node and a group coordinator; and the topic that keeps the groups, of 16 partitions.
  t.like((await rows('cluster status'))[0], { nodes: 2, active_nodes: 2, topics: 2, partitions: 18, findings: [] });
  t.regex((await onTerminal(['cluster', 'status'], { env })).stdout, /cluster id +\w+\n[\s\S]*\nhealthy\n$/);
  t.is(await ok('cluster health'), '');
  const [storage, groups] = await rows('cluster nodes');
  t.like(storage, { id: 1, address: endpoint, state: 'active', role: 'storage' });
  t.like(groups, { id: 101, address: endpoint, state: 'active', role: 'group_coordinator' });
  t.deepEqual((await rows('cluster partitions orders'))[1], {
    partition: 'orders/1',
    leader: 1,
    leader_epoch: 1,
    replicas: [1],
    in_sync: [1],
  });
  await ok('topic create invoices');
  t.deepEqual(await ok('cluster partitions invoices orders --output name'), 'invoices/0\norders/0\norders/1\n');
  t.is((await rows('cluster partitions')).length, 16 + 3);
  t.is((await any('cluster partitions orders nowhere')).code, 3);
  // Nothing is an answer, and a person is told so.
  const none = await any('cluster partitions --under-replicated');
  t.deepEqual(none, { code: 0, stdout: '', stderr: '' });
  const table = await any('cluster partitions orders --under-replicated --output table');
  t.deepEqual(table, { code: 0, stdout: '', stderr: '(none)\n' });
  const seen = await onTerminal(['cluster', 'partitions', '--under-replicated'], { env });
  t.deepEqual(seen, { code: 0, stdout: '', stderr: '(none)\n' });
  t.is((await onTerminal(['cluster', 'partitions', '--under-replicated', '-q'], { env })).stderr, '');
});

test('cluster nodes through a gateway says whose the address is', async (t) => {
  const { endpoint } = await startServer(t, ['--memory', '--nodes', '2']);
  const seen = await onTerminal(['cluster', 'nodes', '-s', endpoint], { terminal: false });
  t.is(seen.stdout.split(`"address":"${endpoint}"`).length, 3 + 1);
  t.regex(seen.stderr, /a gateway answered: the address is its own, for every node/);
  const quiet = await onTerminal(['cluster', 'nodes', '--quiet', '-s', endpoint], { terminal: false });
  t.is(quiet.stderr, '');
});

test('the contract by hand', async (t) => {
  const { ok } = await cluster(t);
  await ok('produce greetings', 'hello, river\n');
  t.regex(await ok('api list --output name'), /^moldau\.server\.v1\.ServerInfoService\/GetServerInfo\n/);
  t.regex(
    await ok('api describe TrimPartition'),
    /rpc TrimPartition\(.*\) returns \(.*\);\n[\s\S]*int64 before_offset = 3;/,
  );
  t.regex(await ok('api describe Position'), /^message moldau\.log\.v1\.Position \{/);
  t.like(JSON.parse(await ok('api call ClusterService.ListTopics')), { topics: [{ name: 'greetings' }] });
  t.like(JSON.parse(await ok('api call moldau.cluster.v1.ClusterService/ListTopics -', '{"page_size": 1}')), {
    next_page_token: '',
  });
  const read = await ok('api call Read {"topic":"greetings","from":{"earliest":{}},"limit":1}');
  t.true(read.includes(Buffer.from('hello, river').toString('base64')), read);
});
