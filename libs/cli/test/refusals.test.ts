import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { MoldauError } from '@moldau/kernel';
import { Stranger, type StrangerKind } from '@moldau/testing/stranger';
import test, { type ExecutionContext } from 'ava';
import type { Io } from '../src/io.ts';
import { explained } from '../src/session.ts';
import { moldau, onTerminal, startServer, temporaryFolder } from './moldau-process.ts';

/** What a wrong command line ends with, and what it says: the thing, and the way out. None of them needs a server. */
const wrong: readonly (readonly [args: string, code: number, message: RegExp])[] = [
  ['', 2, /Usage: moldau/],
  ['topik list', 2, /unknown command 'topik'[\s\S]*Did you mean topic\?/],
  ['topic lst', 2, /unknown command 'lst'[\s\S]*Did you mean list\?/],
  [
    'topic list --outputt table',
    2,
    /unknown option '--outputt'[\s\S]*--output\?[\s\S]*moldau topic list --help shows more/,
  ],
  ['produce', 2, /missing required argument 'topic'/],
  ['tail', 2, /missing required argument 'topic'/],
  ['consume', 2, /name a topic, or several\n$/],
  ['consume -g billing', 2, /name a topic, or several, or a --pattern/],
  ['consume --pattern x', 2, /--pattern and --instance-id are for a member of a group: give --group/],
  ['group seek billing --to soon', 2, /"soon" is no position: .*, or \+N and ~N: so many records on, or back\n$/],
  ['group seek billing --to 3 -p 0', 2, /--partition needs --topic: it would move that partition of every topic/],
  ['topic list --output xml', 2, /output from --output: "xml" is not one of table, json, jsonl, yaml, name/],
  ['topic list --timeout soon', 2, /timeout from --timeout: "soon" is not a duration: a number with its unit/],
  ['topic list --tls-ca nowhere.pem', 2, /--tls-ca nowhere.pem can't be read/],
  ['topic list --tls-cert a.pem', 2, /--tls-cert and --tls-key go together: give both/],
  ['topic list --profile nobody', 3, /no profile "nobody": create it with/],
  ['consume t -o begin', 2, /"begin" is no position: use start, end, N, -N, @TIME/],
  ['consume t -n none', 2, /--count "none": use a whole number from 1 on/],
  ['consume t -n 0', 2, /--count "0"/],
  ['consume t -p x', 2, /--partition "x": use a whole number from 0 on/],
  ['consume t -f %q', 2, /no format %q: there are %t/],
  ['consume t --grep (', 2, /--grep Invalid regular expression/],
  ['consume t -g billing -p 0', 2, /--partition and --group do not go together/],
  ['produce t -z brotli', 2, /no compression "brotli": use one of none, gzip, snappy, lz4, zstd/],
  ['produce t -H name', 2, /"name" is no header: use NAME=VALUE/],
  ['produce t -k a --json', 2, /--key and --json exclude each other/],
  ['produce t no-such-file', 2, /no-such-file can't be read/],
  ['produce t /tmp', 2, /\/tmp is a directory: name a file/],
  ['produce t --report /no-such-folder/report', 2, /--report \/no-such-folder\/report can't be written/],
  ['topic create t -p many', 2, /--partitions "many": use a whole number from 1 to 100000/],
  ['topic create t -c retention', 2, /"retention" is no setting: use NAME=VALUE/],
  ['topic add-partitions t', 2, /required option '--to <number>' not specified/],
  ['consume t -o abc:5', 2, /"abc:5" is no position: use .* or a range such as @-1h:end/],
  ['topic trim t --before abc', 2, /"abc" is no position: use start, end, N, -N, @TIME or @-1h\n$/],
  ['topic offsets t -o 1:3', 2, /"1:3" is no position: use start, end, N, -N, @TIME or @-1h\n$/],
  ['topic trim t --before 5', 2, /--before with an offset needs --partition/],
  ['topic delete t', 2, /this would delete topic t with all records: say --yes to do it/],
  ['dev --nodes 30', 2, /--nodes 30: at most 9 in one process/],
  ['dev --memory --dir x', 2, /--memory and --dir exclude each other/],
  ['dev --memory --reset', 2, /--memory and --reset exclude each other/],
  ['dev --port 70000', 2, /--port "70000": use a whole number from 0 to 65535/],
  ['dev --dir /proc/moldau', 1, /\/proc\/moldau can't be made \(.*\): use a directory that can be written/],
  ['log dump no-such-place', 3, /no-such-place can't be read/],
  ['log verify /dev', 3, /\/dev holds no partitions: name the data directory of a node/],
  ['api call Nothing', 3, /no method or message "Nothing": `moldau api list` shows them/],
  ['api call AppendSession', 2, /AppendSession is a session: only unary calls and server streams/],
  ['api call ListTopics nonsense', 2, /the request is no moldau.cluster.v1.ListTopicsRequest in JSON/],
  ['completion csh', 2, /no completion for "csh": there is bash, zsh and fish/],
  ['profile create x', 2, /a profile keeps global flags: give some/],
  ['profile create ../x -s a:1', 2, /"..\/x" is no name: use letters/],
  ['profile use nobody', 3, /no profile "nobody"/],
  ['profile print', 3, /no profile is in use/],
  ['topic list -s localhost:1 --timeout 1s', 4, /localhost:1 (can't be reached|did not end in time)/],
  ['consume t -o start -s localhost:1 --timeout 1s', 4, /localhost:1 (can't be reached|did not end in time)/],
];

for (const [line, code, message] of wrong) {
  test(`moldau ${line}`, async (t) => {
    const args = line.split(' ').filter((word) => word !== '');
    const ended = await onTerminal(args, { terminal: false });
    t.regex(ended.stderr, message);
    t.is(ended.code, code);
    t.is(ended.stdout, '');
  });
}

test('a server that is away: produce ends with 4, and says so once', async (t) => {
  const { code, stdout, stderr } = await moldau(['produce', 't', '-s', 'localhost:1', '--timeout', '1s'], {
    stdin: 'a\nb\n',
  });
  t.is(code, 4);
  t.is(stdout, '');
  t.is(stderr.match(/localhost:1 (can't be reached|did not end in time)/g)?.length, 1);
});

async function strangerAt(t: ExecutionContext, kind: StrangerKind): Promise<string> {
  const stranger = await Stranger.start(kind);
  t.teardown(() => stranger.close());
  return stranger.address;
}

test('an endpoint that is the port of something else is called so', async (t) => {
  for (const [kind, words] of [
    ['http', /answers, but not in gRPC: it may be an HTTP port/],
    ['tls', /ended the connection at once: it may want TLS/],
  ] as const) {
    const args = ['topic', 'list', '-s', await strangerAt(t, kind), '--timeout', '1s'];
    const { code, stderr } = await onTerminal(args, { terminal: false });
    t.is(code, 4);
    t.regex(stderr, words);
  }
});

test('whoever waits for two seconds hears once what for, in a pipe too', async (t) => {
  const silent = await strangerAt(t, 'silent');
  const args = ['cluster', 'nodes', '--timeout', '3s'];
  const [refused, unanswered, seen, quiet] = await Promise.all([
    onTerminal([...args, '-s', 'localhost:1'], { terminal: false }),
    onTerminal([...args, '-s', silent], { terminal: false }),
    onTerminal([...args, '-s', silent]),
    onTerminal([...args, '-s', silent, '-q'], { terminal: false }),
  ]);
  t.regex(refused.stderr, /^waiting: .*localhost:1 (can't be reached .*|yet) \(giving up after 3s\)\nmoldau: .*\n$/);
  t.regex(unanswered.stderr, /^waiting: no answer from \S+ yet \(giving up after 3s\)\nmoldau: .*\n$/);
  t.regex(seen.stderr, /waiting: no answer/);
  t.notRegex(quiet.stderr, /waiting/);
  for (const { code } of [refused, unanswered, seen, quiet]) t.is(code, 4);
});

test('who has not said where the cluster is hears how to start one', (t) => {
  const none = new PassThrough();
  const io = (env: Io['env']): Io => ({
    ...{ stdin: none, stdout: none, stderr: none },
    env: { XDG_CONFIG_HOME: temporaryFolder(t), ...env },
    interrupted: new AbortController().signal,
  });
  const error = (address: string): MoldauError =>
    new MoldauError('UNREACHABLE', `${address} can't be reached (ECONNREFUSED): is a server running there?`, {
      address,
    });
  const away = error('localhost:7070');
  t.like(explained(away, {}, io({})), {
    reason: 'UNREACHABLE',
    message: "localhost:7070 can't be reached (ECONNREFUSED): start one with `moldau dev`, or say with -s where it is",
  });
  // Who has said it, or has reached something that named this address, is not helped by that.
  t.is(explained(away, { endpoints: 'localhost:7070' }, io({})), away);
  t.is(explained(away, {}, io({ MOLDAU_ENDPOINTS: 'localhost:7070' })), away);
  const node = error('node-1:7071');
  t.is(explained(node, {}, io({})), node);
});

test('what the cluster refuses', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  await moldau(['topic', 'create', 'there'], { env });
  const refused: readonly (readonly [string[], number, RegExp])[] = [
    [['topic', 'create', 'there'], 1, /there/],
    [['topic', 'create', 'there', '--if-not-exists'], 0, /there is there with 1 partition already/],
    [['topic', 'create', 'not/a/name'], 2, /name/],
    [['topic', 'create', 'more', '-c', 'retenton=7d'], 2, /retenton/],
    [['topic', 'create', 'more', '-r', '3'], 4, /node/],
    [['topic', 'describe', 'nowhere'], 3, /no topic "nowhere"/],
    [
      ['topic', 'config', 'get', 'there', 'retenton'],
      3,
      /no setting "retenton": there are cleanup, delete\.retention, retention,/,
    ],
    [['topic', 'config', 'set', 'there', 'retention=soon'], 2, /soon/],
    [['topic', 'add-partitions', 'there', '--to', '1'], 2, /partitions/],
    [['topic', 'offsets', 'there', '-p', '7'], 3, /has no partition 7: it has 1/],
    [['topic', 'trim', 'there', '-p', '0', '--before', '99', '--yes'], 1, /99/],
    [['consume', 'there', '-p', '7', '-o', 'start'], 3, /has no partition 7/],
    [['produce', 'there', '-p', '7'], 3, /has no partition 7/],
  ];
  for (const [args, code, message] of refused) {
    const ended = await onTerminal(args, { env, terminal: false, stdin: 'x\n' });
    t.regex(ended.stderr, message, args.join(' '));
    t.is(ended.code, code, `${args.join(' ')}: ${ended.stderr}`);
  }
});

test('a profile file that is damaged is named', async (t) => {
  const folder = temporaryFolder(t);

  mkdirSync(join(folder, 'moldau'));
  writeFileSync(join(folder, 'moldau', 'profiles.json'), '{');
  const { code, stderr } = await onTerminal(['topic', 'list'], { env: { XDG_CONFIG_HOME: folder }, terminal: false });
  t.is(code, 2);
  t.regex(stderr, /profiles\.json is damaged: repair it, or remove it/);
});
