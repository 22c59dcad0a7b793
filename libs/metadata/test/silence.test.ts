import { nodeId, revision } from '@moldau/kernel';
import test from 'ava';
import { onProbed, onSilence, type Suspects } from '../src/index.ts';

const nodes = (...ids: number[]) => ids.map(nodeId);
const suspected = (term: bigint, ...ids: number[]): Suspects => ({ nodes: nodes(...ids), term: revision(term) });

type Row = [active: number, silent: number[], suspects: Suspects | undefined, onSilence: 'fence' | 'probe'];

/** In term 7. */
const silences: Row[] = [
  [3, [1], undefined, 'fence'],
  [4, [1, 2], undefined, 'fence'],
  [3, [1, 2], undefined, 'probe'],
  [1, [1], undefined, 'probe'],
  [3, [1, 2, 3], suspected(7n, 1, 2, 3), 'probe'],
  [3, [1, 2, 3], suspected(5n, 1, 2), 'probe'],
  [3, [1, 2], suspected(5n, 1, 2, 3), 'fence'],
  [3, [1, 2, 3], suspected(5n, 1, 2, 3), 'fence'],
];

for (const [active, silent, suspects, expected] of silences) {
  const known = suspects === undefined ? '' : `, suspects of term ${suspects.term}: ${suspects.nodes}`;
  test(`${silent.length} of ${active} silent${known}: ${expected}`, (t) => {
    t.is(onSilence({ active, silent: nodes(...silent), term: 7n, suspects }), expected);
  });
}

const probes: [active: number, unanswered: number[], suspects: Suspects | undefined, expected: 'fence' | 'resign'][] = [
  [3, [], undefined, 'fence'],
  [3, [1], undefined, 'fence'],
  [4, [1, 2], undefined, 'fence'],
  [3, [1, 2], undefined, 'resign'],
  [1, [1], undefined, 'resign'],
  [3, [1, 2], suspected(7n, 1, 2), 'resign'],
  [3, [1, 2], suspected(6n, 1, 2, 3), 'fence'],
  [3, [1, 3], suspected(6n, 1, 2), 'resign'],
];

for (const [active, unanswered, suspects, expected] of probes) {
  const known = suspects === undefined ? '' : `, suspects of term ${suspects.term}: ${suspects.nodes}`;
  test(`${unanswered.length} of ${active} do not answer${known}: ${expected}`, (t) => {
    t.is(onProbed({ active, silent: nodes(1, 2, 3), term: 7n, suspects }, nodes(...unanswered)), expected);
  });
}
