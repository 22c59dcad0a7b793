import { PassThrough } from 'node:stream';
import { faults, MoldauError } from '@moldau/kernel';
import test from 'ava';
import { delayNotice } from '../src/delay-notice.ts';
import { moldau, onTerminal, start, startServer, stopped } from './moldau-process.ts';

const tooFew = new MoldauError('NOT_ENOUGH_REPLICAS', 'r3/0 has 1 in-sync replica, and an append needs 2');

function listening(options: { quiet?: boolean; isTTY?: boolean } = {}) {
  const stderr = Object.assign(new PassThrough().setEncoding('utf8'), { isTTY: options.isTTY === true });
  const none = new PassThrough();
  const io = { stdin: none, stdout: none, stderr, env: {}, interrupted: new AbortController().signal };
  let nowMs = 0;
  const notice = delayNotice(options, io, () => nowMs);
  const at = (seconds: number, error: MoldauError, partition = 0): unknown => {
    nowMs = seconds * 1_000;
    notice({ partition, error, waitedMs: 2_000, deliveryTimeoutMs: 120_000 });
    return stderr.read() ?? '';
  };
  return at;
}

test('a reason is said once for a partition, another one is said again, and not more often than every ten seconds', (t) => {
  const at = listening();
  const line = 'waiting: r3/0 has 1 in-sync replica, and an append needs 2 (giving up after 2m)\n';
  t.is(at(2, tooFew), line);
  t.is(at(4, tooFew), '');
  t.is(at(20, tooFew), '');
  const noLeader = faults.notLeader('r3/0', undefined, undefined);
  t.regex(String(at(22, noLeader)), /^waiting: r3\/0 has no leader now/);
  t.is(at(24, tooFew), '');
  t.is(at(33, tooFew), line);
  t.regex(String(at(44, tooFew, 1)), /^waiting/);
});

test('nothing is said with --quiet; on a terminal it takes the place of the progress', (t) => {
  t.is(listening({ quiet: true })(2, tooFew), '');
  t.true(String(listening({ isTTY: true })(2, tooFew)).startsWith('\r\u001b[Kwaiting'));
});

test('produce says in a pipe what it waits for, and why it gave up', async (t) => {
  const { endpoint, server } = await startServer(t);
  const env = { MOLDAU_ENDPOINTS: endpoint };
  await moldau(['topic', 'create', 'typed'], { env });
  const producer = start(['produce', 'typed', '--timeout', '5s'], { env });
  t.teardown(() => stopped(producer));
  producer.child.stdin?.write('first\n');
  const { stdout } = await onTerminal(['consume', 'typed', '-o', 'start', '-n', '1'], { env, terminal: false });
  t.is(stdout, 'first\n');
  server.child.kill('SIGKILL');
  await server.ended;
  producer.child.stdin?.end('second\n');
  await producer.says('stderr', /^waiting: .*127\.0\.0\.1:\d+.* \(giving up after 5s\)\n/);
  const { code, stderr } = await producer.ended;
  t.is(code, 5);
  t.regex(
    stderr,
    /1 record written to typed, 1 not acknowledged\nmoldau: .* \(given up after 5s: it (may be|is not) written\)\n$/,
  );
});

test('produce --help says how long a record may take', async (t) => {
  t.regex((await onTerminal(['produce', '--help'])).stdout, /A record is tried for two minutes/);
});
