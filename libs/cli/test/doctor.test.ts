import { join } from 'node:path';
import { startApp } from '@moldau/testing/service-app';
import type { TiedProcess } from '@moldau/testing/tied-process';
import test from 'ava';
import { moldau, temporaryFolder } from './moldau-process.ts';

type Check = { readonly check: string; readonly state: string; readonly found: string };

test('a gateway that is there is told from a coordinator that is not', async (t) => {
  const start = (app: string, ...flags: string[]): TiedProcess => {
    const started = startApp(app, [...flags, '--listen-port', '0', '--http-port', '0']);
    t.teardown(() => started.kill());
    return started;
  };
  const coordinator = start('coordinator', '--store-file', join(temporaryFolder(t), 'metadata.sqlite'));
  const [, port] = await coordinator.says(/"address":"127\.0\.0\.1:(\d+)"/);
  const gateway = start('gateway', '--coordinators', `127.0.0.1:${port}`);
  const [, gatewayPort] = await gateway.says(/"address":"127\.0\.0\.1:(\d+)"/);
  const checks = async (): Promise<Check[]> => {
    const { stdout } = await moldau(['doctor', '-s', `localhost:${gatewayPort}`, '--timeout', '2s']);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Check);
  };
  const of = (found: readonly Check[], check: string): Check | undefined => found.find((one) => one.check === check);

  const well = await checks();
  t.is(of(well, 'coordinator')?.state, 'ok');
  t.like(of(well, 'clock'), { state: 'unknown', found: 'servers do not tell their time' });
  await coordinator.kill();
  const ill = await checks();
  t.not(of(ill, 'endpoint')?.state, 'bad');
  t.like(of(ill, 'coordinator'), {
    state: 'bad',
    found: `the gateway at localhost:${gatewayPort} answers, but no coordinator does (127.0.0.1:${port} refuses connections): topics can't be changed or listed; writing and reading go on`,
  });
});
