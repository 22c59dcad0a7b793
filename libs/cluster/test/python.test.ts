import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDevServer } from '@moldau/testing/dev-server';
import { findPython } from '@moldau/testing/python-client';
import test from 'ava';

const python = await findPython();
if ('missing' in python) console.log(`the client in Python is not tried: ${python.missing}`);
const withPython = 'missing' in python ? test.skip : test;

withPython('a Python client writes and reads, made from the contract alone and told one address', async (t) => {
  if ('missing' in python) return t.fail();
  const folder = mkdtempSync(join(tmpdir(), 'moldau-python-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  await python.generate(folder);
  const server = await startDevServer(join(folder, 'data'), 0);
  t.teardown(() => server.stop());
  const address = `localhost:${server.port}`;
  const lines = await python.produceAndConsume(address, folder, 'from-python');
  const values = lines.map((line) => line.split(' ').slice(2).join(' ')).sort();
  t.deepEqual(values, Array.from({ length: 300 }, (_, number) => `record ${number}`).sort());
  t.deepEqual(await python.produceAndConsume(address, folder, 'from-python', { onlyRead: true }), lines);
});

withPython('a Python client is a member of a group, with one stream and one address', async (t) => {
  if ('missing' in python) return t.fail();
  const folder = mkdtempSync(join(tmpdir(), 'moldau-python-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  await python.generate(folder);
  const server = await startDevServer(join(folder, 'data'), 0);
  t.teardown(() => server.stop());
  const address = `localhost:${server.port}`;
  const written = await python.produceAndConsume(address, folder, 'from-python');
  const consume = (count: number) =>
    python.consumeInGroup(address, folder, { topic: 'from-python', group: 'python', count });
  // Frames are taken whole: some more than asked for may be among them.
  const first = await consume(100);
  t.true(first.length >= 100);
  const rest = first.length < 300 ? await consume(300 - first.length) : [];
  t.deepEqual(
    [...first, ...rest].sort(),
    [...written].sort(),
    'each once: the second one goes on where the first one ended',
  );
});
