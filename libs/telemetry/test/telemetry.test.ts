import { createServer } from 'node:net';
import { AssertionFailed, StartError } from '@moldau/kernel';
import test from 'ava';
import { startHttpStatus } from '../src/http-status.ts';
import { createLogger, type LogOptions } from '../src/logger.ts';
import { PrometheusMeter } from '../src/prometheus-meter.ts';

function recorded(options: Partial<LogOptions>) {
  const lines: string[] = [];
  const logger = createLogger({
    level: 'info',
    pretty: false,
    destination: { write: (line) => lines.push(line) },
    ...options,
  });
  return { lines, logger };
}

test('a log line is JSON with its fields, those of the logger too', (t) => {
  const { lines, logger } = recorded({});
  logger.with({ node: 1 }).warn('the disk is nearly full', { offset: 12n, free: 'little' });
  logger.debug('not at this level');
  t.is(lines.length, 1);
  const line: unknown = JSON.parse(lines[0] ?? '');
  t.like(line, { level: 'warn', message: 'the disk is nearly full', node: 1, offset: '12', free: 'little' });
  t.regex(lines[0] ?? '', /"time":"\d{4}-\d\d-\d\dT/);
});

test('an error is logged with its stack and its cause', (t) => {
  const { lines, logger } = recorded({});
  logger.error('a bug', { error: new Error('outer', { cause: new Error('inner') }) });
  const line = JSON.parse(lines[0] ?? '') as { error: { message: string; stack: string; cause: { message: string } } };
  t.is(line.error.message, 'outer');
  t.regex(line.error.stack, /telemetry\.test/);
  t.is(line.error.cause.message, 'inner');
});

test('a pretty line is short, coloured only when asked', (t) => {
  const { lines, logger } = recorded({ pretty: true, colors: false });
  logger.info('listening', { host: '::', port: 7070 });
  t.regex(lines[0] ?? '', /^\d\d:\d\d:\d\d info {2}listening {2}host=:: {2}port=7070\n$/);
  logger.error('a bug', { error: new Error('why') });
  t.regex(lines[1] ?? '', /error a bug\n {4}Error: why\n {8}at /);
  const colored = recorded({ pretty: true, colors: true });
  colored.logger.info('listening');
  t.true(colored.lines[0]?.includes('\u001b[36m'));
});

test('metrics of one name share one metric, whatever their labels', async (t) => {
  const meter = new PrometheusMeter({ node: '1' });
  meter.counter('moldau_test_calls_total', 'Calls', { method: 'a' }).add();
  meter.counter('moldau_test_calls_total', 'Calls', { method: 'a' }).add(2);
  meter.counter('moldau_test_calls_total', 'Calls', { method: 'b' }).add();
  meter.counter('moldau_test_calls_total', 'Calls', { method: 'c' });
  meter.gauge('moldau_test_open', 'Open').set(4);
  meter.histogram('moldau_test_wait_seconds', 'Wait', [0.1, 1], { method: 'a' }).observe(0.5);
  const text = await meter.render();
  t.regex(text, /moldau_test_calls_total\{method="a",node="1"\} 3\n/);
  t.regex(text, /moldau_test_calls_total\{method="b",node="1"\} 1\n/);
  t.regex(text, /moldau_test_calls_total\{method="c",node="1"\} 0\n/);
  t.regex(text, /moldau_test_open\{node="1"\} 4\n/);
  t.regex(text, /moldau_test_wait_seconds_bucket\{le="1",node="1",method="a"\} 1\n/);
  t.regex(text, /process_resident_memory_bytes/);
  const gauge = meter.gauge('moldau_test_lag', 'Lag', { of: 'a' });
  meter.gauge('moldau_test_lag', 'Lag', { of: 'b' }).set(1);
  gauge.set(2);
  gauge.drop();
  t.notRegex(await meter.render(), /moldau_test_lag\{of="a"/);
  t.regex(await meter.render(), /moldau_test_lag\{of="b",node="1"\} 1\n/);
  gauge.set(3);
  t.regex(await meter.render(), /moldau_test_lag\{of="a",node="1"\} 3\n/);
  t.throws(() => meter.gauge('moldau_test_calls_total', 'Calls'), { instanceOf: AssertionFailed });
});

test('the status endpoint says what it must', async (t) => {
  let problem: string | undefined = 'recovering 3 partitions';
  const status = await startHttpStatus({
    host: '127.0.0.1',
    port: 0,
    meter: new PrometheusMeter(),
    ready: () => problem,
  });
  t.teardown(() => status.close());
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${status.port}${path}`, { method });
    return [response.status, await response.text()] as const;
  };
  t.deepEqual(await get('/healthz'), [200, 'ok\n']);
  t.deepEqual(await get('/readyz'), [503, 'recovering 3 partitions\n']);
  problem = undefined;
  t.deepEqual(await get('/readyz?verbose'), [200, 'ready\n']);
  t.regex((await get('/metrics'))[1], /nodejs_heap_size_used_bytes/);
  t.is((await get('/'))[0], 404);
  t.is((await get('/metrics', 'POST'))[0], 405);
});

test('a status port in use stops the start with what to do', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.teardown(() => other.close());
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const start = startHttpStatus({ host: '127.0.0.1', port, meter: new PrometheusMeter(), ready: () => undefined });
  const error = await t.throwsAsync(start, { instanceOf: StartError });
  t.regex(error?.message ?? '', /in use: stop what listens there/);
});
