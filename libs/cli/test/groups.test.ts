import test from 'ava';
import { type Ended, moldau, onTerminal, start, startServer } from './moldau-process.ts';

async function cluster(t: Parameters<typeof startServer>[0]) {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  const any = (line: string, stdin = ''): Promise<Ended> => onTerminal(line.split(' '), { env, stdin });
  const ok = async (line: string, stdin?: string): Promise<Ended> => {
    const ended = await any(line, stdin);
    t.is(ended.code, 0, `${line}: ${ended.stderr}`);
    return ended;
  };
  const rows = async (line: string): Promise<unknown[]> => {
    const { stdout } = await moldau(line.split(' '), { env });
    return stdout.split('\n').flatMap((text) => (text === '' ? [] : [JSON.parse(text) as unknown]));
  };
  return { env, any, ok, rows };
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join('');

test('a group goes on where it stood, and is looked at, moved and deleted', async (t) => {
  const { env, any, ok, rows } = await cluster(t);
  await ok('topic create orders -p 1');
  await ok('produce orders', lines(1, 10));
  t.is((await moldau(['consume', 'orders', '-g', 'billing', '-n', '4'], { env })).stdout, lines(1, 4));
  t.is((await moldau(['consume', 'orders', '-g', 'billing', '-e'], { env })).stdout, lines(5, 10));
  await ok('produce orders', lines(11, 12));
  t.deepEqual(await rows('group list'), [{ group: 'billing', members: 0 }]);
  t.like((await rows('group lag billing'))[0], {
    group: 'billing',
    partition: 'orders/0',
    committed: '10',
    records: '2',
  });
  const { stdout } = await ok('group describe billing --output table');
  t.regex(stdout, /state +empty/);
  t.regex(stdout, /orders\/0 +10 +12 +2/);

  const [dry] = await rows('group seek billing --to start --dry-run');
  t.deepEqual(dry, { partition: 'orders/0', committed: '10', new_committed: '0' });
  t.like((await rows('group lag billing'))[0], { committed: '10' });
  t.is((await moldau(['group', 'seek', 'billing', '--to', 'start'], { env })).code, 2, 'it asks, and nobody answers');
  t.like((await rows('group seek billing --to ~3 --yes'))[0], { new_committed: '7' });
  t.is((await moldau(['consume', 'orders', '-g', 'billing', '-e'], { env })).stdout, lines(8, 12));

  t.is((await any('group delete billing --dry-run')).code, 0);
  await ok('group delete billing --yes');
  t.deepEqual(await rows('group list'), []);
});

test('a group with a member is shown with it, and is neither moved nor deleted', async (t) => {
  const { env, any, rows } = await cluster(t);
  t.is((await any('topic create orders -p 2')).code, 0);
  t.is((await any('produce orders', lines(1, 2))).code, 0);
  const reading = start(['consume', 'orders', '-g', 'billing'], { env });
  await reading.says('stdout', /[12]\n[12]\n/);
  const [shown] = await rows('group describe billing --output jsonl');
  t.like(shown, { group: 'billing', state: 'stable', assignor: 'uniform' });
  const { members } = shown as { members: { assigned: string[] }[] };
  t.deepEqual(
    members.map(({ assigned }) => assigned),
    [['orders/0', 'orders/1']],
  );
  t.deepEqual(await rows('group list'), [{ group: 'billing', members: 1 }]);
  const seek = await any('group seek billing --to end --yes');
  t.is(seek.code, 1);
  t.regex(seek.stderr, /has a member: stop it first/);
  t.is((await any('group delete billing --yes')).code, 1);
  reading.child.kill('SIGINT');
  const { code, stderr } = await reading.ended;
  t.is(code, 0, stderr);
  t.regex(stderr, /2 records read from orders/);
  t.like((await rows('group describe billing --output jsonl'))[0], { state: 'empty' });
});

test('a group whose only owner keeps what it has is stable, however many come and go', async (t) => {
  const { env, any, rows } = await cluster(t);
  t.is((await any('topic create solo -p 1')).code, 0);
  t.is((await any('produce solo', lines(1, 1))).code, 0);
  const owner = start(['consume', 'solo', '-g', 'so'], { env });
  await owner.says('stdout', /1\n/);
  const described = async () =>
    (await rows('group describe so --output jsonl'))[0] as { state: string; members: unknown[] };
  const guest = start(['consume', 'solo', '-g', 'so'], { env });
  await guest.says('stderr', /no partition is left for this one of 2 members of group so: waiting for one\n/);
  t.is((await described()).members.length, 2);
  guest.child.kill('SIGINT');
  t.is((await guest.ended).code, 0);
  const hasty = await any('consume solo -g so -e');
  t.is(hasty.code, 0);
  t.regex(hasty.stderr, /no partition is left for this one of 2 members of group so\n/);
  t.like(await described(), { state: 'stable' });
  owner.child.kill('SIGSTOP');
  t.is((await any('produce solo', lines(2, 4))).code, 0);
  const partly = await any('consume solo -g so -e');
  t.is(partly.code, 5);
  t.regex(partly.stderr, /of group so, 3 records are left to the others\n/);
  owner.child.kill('SIGCONT');
  await owner.says('stdout', /4\n/);
  owner.child.kill('SIGINT');
  t.is((await owner.ended).code, 0);
});

test('where a member began is where its group stands, though nothing came', async (t) => {
  const { env, any, rows } = await cluster(t);
  t.is((await any('topic create t -p 1')).code, 0);
  t.is((await any('produce t', lines(1, 3))).code, 0);
  t.is((await any('consume t -g late -o end -e')).stdout, '');
  t.like((await rows('group lag late'))[0], { committed: '3', records: '0' });
  // Before anything comes, and however it ends.
  const killed = start(['consume', 't', '-g', 'dies', '-o', 'end'], { env });
  const lag = async () => (await rows('group lag dies').catch(() => [])) as { committed: string | null }[];
  let shown = await lag();
  while (shown[0]?.committed !== '3') shown = await lag();
  killed.child.kill('SIGKILL');
  await killed.ended;
  const none = await any('consume -g nobody --pattern zzz.* -e');
  t.is(none.code, 0);
  t.regex(none.stderr, /there is no topic yet for group nobody\n/);
  const beyond = await any('consume t -g far -o 100 -e');
  t.is(beyond.code, 1);
  t.regex(beyond.stderr, /t\/0: offset 100 is outside 0…3/);
});

test('a member by pattern, under a name', async (t) => {
  const { env, any, rows } = await cluster(t);
  for (const topic of ['eu-1', 'eu-2', 'us-1']) t.is((await any(`topic create ${topic} -p 1`)).code, 0);
  const args = ['consume', '-g', 'all', '--pattern', 'eu-.*', '--instance-id', 'desk'];
  const reading = start(args, { env });
  const lag = async () => (await rows('group lag all').catch(() => [])) as { partition: string; member_id: string }[];
  let shown = await lag();
  while (shown.length < 2) shown = await lag();
  t.like(shown, [
    { partition: 'eu-1/0', end_offset: '0' },
    { partition: 'eu-2/0', end_offset: '0' },
  ]);
  const [described] = (await rows('group describe all --output jsonl')) as {
    members: { member_id: string; instance_id: string }[];
  }[];
  t.is(described?.members[0]?.instance_id, 'desk');
  t.is(shown[1]?.member_id, described?.members[0]?.member_id);
  reading.child.kill('SIGINT');
  const { code, stderr } = await reading.ended;
  t.is(code, 0, stderr);
  t.regex(stderr, /0 records read from eu-\.\*/);
});

test('what can not be is said', async (t) => {
  const { any } = await cluster(t);
  const unknown = await any('group describe nobody');
  t.is(unknown.code, 3);
  t.regex(unknown.stderr, /no group "nobody"/);
  t.is((await any('group lag nobody')).code, 3);
  t.is((await any('group seek nobody --to 5 --yes')).code, 2);
  t.is((await any('consume orders -g billing -p 1')).code, 2);
  t.is((await any('consume orders -g billing -o 1:5')).code, 2);
});
