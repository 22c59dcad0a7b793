import test from 'ava';
import { TiedProcess } from '../src/tied-process.ts';

const shell = (script: string): TiedProcess => new TiedProcess('sh', ['-c', script]);

test('what a program says is waited for, in pieces or before anyone asked', async (t) => {
  const one = shell('printf "port " >&2; printf "17\n" >&2; exec sleep 60');
  t.is((await one.says(/port (\d+)\n/))[1], '17');
  t.is((await one.says(/port (\d+)\n/))[1], '17');
  await one.kill();
  t.is(await one.ended(), -1);
});

test('one that ends first says how, and with what words', async (t) => {
  const one = shell('echo no luck >&2; exit 7');
  await t.throwsAsync(one.says(/ready/), { message: /ended with 7, without \/ready\/:\nno luck/ });
  t.is(await one.ended(), 7);
  await one.stop();
});

test('one that is paused ends all the same', async (t) => {
  const one = shell('trap "exit 0" TERM; echo ready >&2; while :; do sleep 0.01; done');
  await one.says(/ready/);
  one.pause();
  await one.stop();
  t.is(await one.ended(), 0);
});

test('one that is given an environment has it, and is heard on stdout if asked', async (t) => {
  const one = new TiedProcess('sh', ['-c', 'echo "$GREETING"; exec sleep 60'], {
    env: { GREETING: 'hello' },
    isRead: true,
  });
  t.truthy(await one.says(/hello/));
  await one.kill();
});
