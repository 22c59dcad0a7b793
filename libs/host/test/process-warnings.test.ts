import { once } from 'node:events';
import test from 'ava';
import { processWarnings } from '../src/index.ts';

test('what goes wrong is a warning of the process, with its fields; the rest is dropped', async (t) => {
  const warned = once(process, 'warning');
  const logger = processWarnings.with({ group: 'g' });
  logger.info('it goes well');
  logger.warn('it failed', { error: new Error('why') });
  const [warning] = (await warned) as [Error];
  t.is(warning.message, 'it failed (group: g, error: why)');
  t.is(warning.name, 'MoldauWarning');
});
