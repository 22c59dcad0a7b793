import { readFileSync } from 'node:fs';
import test from 'ava';
import { apply } from '../src/mutations/plant.ts';
import { planted, plantedBugs } from '../src/mutations/planted-bugs.ts';
import { catchOne } from '../src/mutations/suite.ts';
import type { Outcome } from '../src/outcome.ts';
import { runSeeds } from '../src/seed-pool.ts';

const threads = 2;

async function outcomesOf(first: number, count: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const seeds = Array.from({ length: count }, (_, i) => first + i);
  await runSeeds({
    seeds,
    threads,
    onOutcome: (outcome) => {
      outcomes.push(outcome);
      return false;
    },
  });
  return outcomes.sort((a, b) => a.seed - b.seed);
}

test.serial('no history breaks a promise, and each is the same when it is run again', async (t) => {
  const outcomes = await outcomesOf(1, 30);
  t.is(outcomes.length, 30);
  for (const { seed, broken } of outcomes)
    t.is(broken, undefined, `seed ${seed}: npm run sim -- --seed ${seed} --trace`);
  const acknowledged = outcomes.reduce((sum, { writes }) => sum + writes.ok, 0);
  t.true(acknowledged > 10_000, `only ${acknowledged} writes were acknowledged`);
  const again = await outcomesOf(1, 3);
  t.deepEqual(
    again.map(({ digest }) => digest),
    outcomes.slice(0, 3).map(({ digest }) => digest),
  );
});

const caughtWithin = {
  'duplicate-check-skipped': 40,
  'read-above-high-watermark': 40,
  // Seldom the only copy that rots.
  'corruption-as-torn-tail': 150,
  'silent-members-not-counted': 40,
  'follower-acknowledges-before-fsync': 40,
  'truncated-by-high-watermark': 40,
  'lost-copy-taken-for-an-empty-one': 80,
  'node-epoch-not-checked': 40,
};

for (const [name, count] of Object.entries(caughtWithin)) {
  test.serial(`a planted bug is caught: ${name}`, async (t) => {
    const [bug] = planted({ mutation: name });
    if (bug === undefined) return t.fail();
    const { within } = await catchOne(bug, { first: 1, count }, threads);
    t.true(within !== undefined, `${name} was not caught in ${count} seeds`);
  });
}

/** One seed shows each of these as what it is, and holds without it. */
const shownBy = [
  ['given-away-before-given-up', 3, 'I19'],
  ['stale-owner-renews-sessions', 66, 'I19'],
  ['tombstone-dropped-at-once', 1, 'I22'],
  ['compacted-above-the-high-watermark', 115, 'I22'],
] as const;

for (const [name, seed, rule] of shownBy) {
  test.serial(`a planted bug breaks ${rule}: ${name}`, async (t) => {
    const [bug] = planted({ mutation: name });
    if (bug === undefined) return t.fail();
    const { what } = await catchOne(bug, { first: seed, count: 1 }, 1);
    t.true(what.startsWith(`seed ${seed}: ${rule}: `), `${name} was not shown by seed ${seed}: ${what}`);
    const [sound] = await outcomesOf(seed, 1);
    t.is(sound?.broken, undefined);
  });
}

test('a patch that fits nowhere, or twice, is refused', (t) => {
  const patch = { file: 'a.ts', from: 'x', to: 'y' };
  t.is(apply('bug', 'axb', patch), 'ayb');
  t.throws(() => apply('bug', 'ab', patch), { message: /fits 0 times/ });
  t.throws(() => apply('bug', 'xx', patch), { message: /fits 2 times/ });
});

test('every patch fits the source as it is now', (t) => {
  for (const { name, patches } of plantedBugs) {
    const texts = new Map<string, string>();
    for (const patch of patches) {
      const path = new URL(`../../../libs/${patch.file}`, import.meta.url);
      texts.set(patch.file, apply(name, texts.get(patch.file) ?? readFileSync(path, 'utf8'), patch));
    }
    t.pass();
  }
});

test('planted bugs have names of their own, and an unknown one is refused', (t) => {
  t.is(new Set(plantedBugs.map(({ name }) => name)).size, plantedBugs.length);
  t.throws(() => planted({ mutation: 'none' }), { message: /no planted bug none/ });
});
