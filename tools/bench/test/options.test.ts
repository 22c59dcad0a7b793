import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { optionsOf, WrongOption } from '../src/options.ts';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const choices = { parts: ['small', 'latency'], peers: ['Apache Kafka', 'NATS JetStream'] };

test('what is not said is as usual, with --quick less of it', (t) => {
  const usual = optionsOf([], choices);
  t.like(usual, { rounds: 5, seconds: 5 });
  t.deepEqual([usual?.parts, usual?.peers], [choices.parts, choices.peers]);
  const quick = optionsOf(['--quick', '--seconds', '0.5'], choices);
  t.like(quick, { rounds: 3, seconds: 0.5 });
  t.deepEqual(quick?.peers, []);
  t.deepEqual(optionsOf(['--only', 'latency', '--peers', 'kafka'], choices)?.parts, ['latency']);
  t.deepEqual(optionsOf(['--quick', '--peers', 'nats, kafka'], choices)?.peers, choices.peers);
  t.is(optionsOf(['--help'], choices), undefined);
});

for (const [args, problem] of [
  [['--bogus'], "Unknown option '--bogus'"],
  [['word'], "Unexpected argument 'word'"],
  [['--only'], "Option '--only <value>' argument missing"],
  [['--only', 'nonsense'], 'no part nonsense: use small, latency'],
  [['--peers', 'foo'], 'no peer foo: use Apache Kafka, NATS JetStream'],
  [['--peers', ''], 'no peer'],
  [['--rounds', '0'], '--rounds 0: use a whole number from 1 on'],
  [['--rounds', '1.5'], '--rounds 1.5: use a whole number'],
  [['--seconds', 'x'], '--seconds x: use a number above 0'],
  [['--seconds', '0'], '--seconds 0: use a number above 0'],
  [['--json', '/nowhere/at/all.json'], 'there is no such folder'],
] as const) {
  test(`${args.join(' ')} is refused in one line`, (t) => {
    const error = t.throws(() => optionsOf(args, choices), { instanceOf: WrongOption });
    t.true(error.message.includes(problem), error.message);
    t.notRegex(error.message, /\n/);
  });
}

test('the program says what is wrong, without a stack, and ends with 2', async (t) => {
  const [code, stderr] = await new Promise<[unknown, string]>((resolve) => {
    execFile(process.execPath, [main, '--only', 'nonsense'], (error, _, text) => resolve([error?.code, text]));
  });
  t.is(code, 2);
  t.regex(stderr, /^bench: --only nonsense: no part nonsense: use small, .*\n$/);
});

test('nothing is left below the temporary folder when it is told to end', async (t) => {
  const place = mkdtempSync(join(tmpdir(), 'bench-test-'));
  t.teardown(() => rmSync(place, { recursive: true, force: true }));
  const child = spawn(process.execPath, [main, '--quick', '--only', 'latency'], {
    env: { ...process.env, TMPDIR: place },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  const isUnderWay = new Promise<void>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (/round 1 of 3, Moldau/.test(said)) resolve();
    });
  });
  const isOver = once(child, 'exit');
  await Promise.race([isUnderWay, isOver]);
  t.not(readdirSync(place).length, 0, said);
  child.kill('SIGTERM');
  const [code] = await isOver;
  t.is(code, 143, said);
  t.deepEqual(readdirSync(place), []);
});
