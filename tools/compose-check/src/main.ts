import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '@moldau/client';
import { findPython } from '@moldau/testing/python-client';
import { Compose } from './compose.ts';
import { consumeInGroup, isAllCommitted } from './consume-in-group.ts';
import { killEachNode } from './kill-each-node.ts';

const healthyWithinMs = 120_000;
const partitions = 6;
const records = 3_000;
const topic = 'compose-check';
const address = `localhost:${process.env.MOLDAU_PORT ?? '7070'}`;
const say = (text: string): void => console.log(text);

const compose = await Compose.find();
if ('missing' in compose) {
  say(`compose-check is skipped: ${compose.missing}`);
} else {
  const stubs = mkdtempSync(join(tmpdir(), 'moldau-compose-'));
  try {
    await check(compose, stubs);
    say('compose-check: all well');
  } finally {
    await compose.do('down', '-v');
    rmSync(stubs, { recursive: true, force: true });
  }
}

async function check(up: Compose, stubs: string): Promise<void> {
  await up.do('up', '-d', '--build');
  await healthy(up);
  await write();
  await read();
  const python = await findPython();
  if ('missing' in python) say(`the client in Python is not tried: ${python.missing}`);
  else await python.generate(stubs);
  const before = 'missing' in python ? [] : await python.produceAndConsume(address, stubs, `${topic}-python`);
  if (!('missing' in python)) say(`Python wrote and read ${before.length} records`);
  const shared = { topic: `${topic}-python`, group: `${topic}-python`, count: before.length };
  if (!('missing' in python)) {
    const consumed = await python.consumeInGroup(address, stubs, shared);
    say(`Python consumed ${consumed.length} records in a group`);
  }
  await killEachNode(up, address, () => healthy(up), say);
  await consumeInGroup(up, address, () => healthy(up), say);
  await up.do('down');
  await up.do('up', '-d');
  await healthy(up);
  await read();
  await isAllCommitted(address);
  if ('missing' in python) return;
  const after = await python.produceAndConsume(address, stubs, `${topic}-python`, { onlyRead: true });
  if (after.join() !== before.join()) throw new Error('Python reads something else after down and up');
}

async function healthy(up: Compose): Promise<void> {
  const since = performance.now();
  const services = await up.services();
  for (;;) {
    const found = await up.health();
    const count = services.filter((name) => found.get(name)?.includes('(healthy)')).length;
    if (count === services.length) break;
    if (performance.now() - since > healthyWithinMs) {
      const all = [...found].map(([name, status]) => `${name}: ${status}`).join(', ');
      throw new Error(`${count} of ${services.length} services are healthy after ${healthyWithinMs} ms: ${all}`);
    }
    await pause(500);
  }
  say(`${services.length} services are healthy ${Math.round((performance.now() - since) / 100) / 10} s after up`);
}

async function write(): Promise<void> {
  await using moldau = await connect({ endpoints: address });
  await moldau.admin.createTopic({ name: topic, partitions });
  await using producer = moldau.producer({ topic });
  for (let number = 0; number < records; number += 1) await producer.push({ key: `k${number}`, value: `${number}` });
  await producer.flush();
  say(`${records} records were acknowledged by a topic of ${partitions} partitions`);
}

async function read(): Promise<void> {
  await using moldau = await connect({ endpoints: address });
  const found = new Set<string>();
  let count = 0;
  for await (const record of moldau.read(topic, { until: 'end' })) {
    found.add(record.value ?? '');
    count += 1;
  }
  if (count !== records || found.size !== records) {
    throw new Error(`${count} records were read, ${found.size} different ones: ${records} were written`);
  }
  say(`${count} records were read, each once`);
}
