import { nodeId } from '@moldau/kernel';
import test from 'ava';
import fc from 'fast-check';
import { type PlacementNode, placeReplicas } from '../src/index.ts';

const nodesOf = (racks: readonly string[]): PlacementNode[] =>
  racks.map((rack, i) => ({ id: nodeId(i + 1), rack, replicas: 0, led: 0 }));

test('replicas lie on different nodes, and on as many racks as there are', (t) => {
  const racks = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(
      racks,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(),
      (names, wanted, partitions, seed) => {
        const replicas = Math.min(wanted, names.length);
        const nodes = nodesOf(names);
        const placed = placeReplicas(nodes, partitions, replicas, seed);
        t.deepEqual(placed, placeReplicas(nodes, partitions, replicas, seed), 'the same again');
        for (const chosen of placed) {
          t.is(new Set(chosen).size, replicas);
          t.is(new Set(chosen.map((id) => names[id - 1])).size, Math.min(replicas, new Set(names).size));
        }
      },
    ),
    { seed: 3, numRuns: 200 },
  );
});

test('leaders differ by one at most; replicas too, where racks are equal', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 100 }),
      fc.nat(),
      (count, partitions, seed) => {
        const placed = placeReplicas(
          nodesOf(Array.from({ length: count }, () => '')),
          partitions,
          Math.min(3, count),
          seed,
        );
        const spread = (of: (chosen: readonly number[], id: number) => boolean): number => {
          const loads = Array.from({ length: count }, (_, i) => placed.filter((chosen) => of(chosen, i + 1)).length);
          return Math.max(...loads) - Math.min(...loads);
        };
        t.true(spread((chosen, id) => chosen[0] === id) <= 1);
        t.true(spread((chosen, id) => chosen.includes(id)) <= 2);
      },
    ),
    { seed: 4, numRuns: 200 },
  );
});

test('a new node takes more until it has as much', (t) => {
  const nodes = [1, 2, 3].map((id) => ({
    id: nodeId(id),
    rack: '',
    replicas: id === 3 ? 0 : 50,
    led: id === 3 ? 0 : 25,
  }));
  const placed = placeReplicas(nodes, 20, 1, 1);
  t.true(placed.every(([leader]) => leader === 3));
});
