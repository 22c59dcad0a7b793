import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { environmentName } from '@moldau/config';
import { coordinatorProgram, gatewayProgram, storageNodeProgram } from '@moldau/process';
import test from 'ava';
import { variableNames } from '../src/settings.ts';
import { moldau, onTerminal, startServer, temporaryFolder } from './moldau-process.ts';

test('flag before variable before profile before default', async (t) => {
  const { endpoint } = await startServer(t);
  const env = { XDG_CONFIG_HOME: temporaryFolder(t) };
  const run = (line: string, more: Record<string, string> = {}) =>
    onTerminal(line.split(' '), { env: { ...env, ...more }, terminal: false });
  const nowhere = 'localhost:1';

  t.is((await run(`profile create good -s ${endpoint} --token secret --output name`)).code, 0);
  t.is((await run('topic create here')).code, 0);
  t.is((await run('topic list')).stdout, 'here\n');
  t.regex((await run('topic list --output jsonl')).stdout, /^\{/);
  t.is((await run('cluster health', { MOLDAU_ENDPOINTS: nowhere, MOLDAU_TIMEOUT: '500ms' })).code, 4);
  t.is((await run(`cluster health -s ${endpoint}`, { MOLDAU_ENDPOINTS: nowhere })).code, 0);

  t.is((await run(`profile create bad -s ${nowhere} --timeout 500ms`)).code, 0);
  t.is((await run('cluster health')).code, 4);
  t.is((await run('cluster health --profile good')).code, 0);
  t.is((await run('cluster health', { MOLDAU_PROFILE: 'good' })).code, 0);
  t.is((await run('profile use good')).code, 0);
  t.is((await run('cluster health')).code, 0);

  t.deepEqual(
    (await run('profile list --output jsonl')).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    [
      { name: 'good', current: true, endpoints: endpoint },
      { name: 'bad', current: false, endpoints: nowhere },
    ],
  );
  const printed = (await run('profile print good --output json')).stdout;
  t.deepEqual(JSON.parse(printed), { name: 'good', endpoints: endpoint, token: '***', output: 'name' });
  t.is((await run(`profile create good -s ${nowhere}`)).code, 1);
  t.is((await run('profile create worse --timeout never')).code, 2);
  // It holds a token.
  t.is(statSync(join(env.XDG_CONFIG_HOME, 'moldau', 'profiles.json')).mode & 0o777, 0o600);
});

test('version and doctor, with a server and without', async (t) => {
  const { endpoint } = await startServer(t);
  const version = await moldau(['version', '-s', endpoint]);
  t.is(version.code, 0);
  t.like(JSON.parse(version.stdout), { client: '0.1.0', server: '0.1.0' });
  const alone = await moldau(['version', '-s', 'localhost:1', '--timeout', '500ms']);
  t.is(alone.code, 0);
  t.like(JSON.parse(alone.stdout), { client: '0.1.0', server: null });
  t.is((await moldau(['--version'])).stdout, '0.1.0\n');

  const well = await onTerminal(['doctor', '-s', endpoint]);
  t.is(well.code, 0, well.stdout);
  t.regex(well.stdout, /\nendpoint +\w+ +\S+ (answers in|took) \d+ ms/);
  const ill = await onTerminal(['doctor', '-s', 'localhost:1', '--timeout', '500ms'], {
    env: { MOLDAU_ENDPOINT: 'x' },
  });
  t.is(ill.code, 1);
  t.regex(ill.stdout, /\nvariables +warning +MOLDAU_ENDPOINT +known are MOLDAU_ENDPOINTS/);
  t.regex(ill.stdout, /\nendpoint +bad .*localhost:1.*start a cluster with `moldau dev`/);
});

test('a misspelt variable is told, those of services are not', async (t) => {
  const warned = async (env: Record<string, string>, ...more: string[]): Promise<string> =>
    (await onTerminal(['profile', 'list', ...more], { env, terminal: false })).stderr;
  const misspelt = { MOLDAU_ENDPOINT: 'a:1', MOLDAU_PROFIL: 'x' };
  t.is(
    await warned(misspelt),
    'warning: MOLDAU_ENDPOINT is unknown: is it MOLDAU_ENDPOINTS?\nwarning: MOLDAU_PROFIL is unknown: is it MOLDAU_PROFILE?\n',
  );
  t.is(await warned(misspelt, '-q'), '');
  const keys = [coordinatorProgram, gatewayProgram, storageNodeProgram].flatMap(({ settings }) =>
    Object.keys(settings),
  );
  const theirs = ['MOLDAU_PORT', ...keys.map(environmentName)].filter((name) => !variableNames.includes(name));
  t.is(await warned(Object.fromEntries(theirs.map((name) => [name, 'x']))), '');
});

test('completion: a shell finds commands and flags', async (t) => {
  const { stdout: script } = await moldau(['completion', 'bash']);
  const complete = (...words: string[]): string[] => {
    const program = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _moldau; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', program, 'bash', ...words], { encoding: 'utf8' });
    t.is(stderr, '');
    return stdout.trim().split('\n');
  };
  t.deepEqual(complete('moldau', 'top'), ['topic']);
  t.deepEqual(complete('moldau', 'topic', 'de'), ['describe', 'delete']);
  t.deepEqual(complete('moldau', 'topic', 'config', ''), ['get', 'set', 'unset']);
  t.deepEqual(complete('moldau', '-s', 'a:1', 'produce', '--key'), ['--key', '--key-delimiter']);
  t.true(complete('moldau', 'consume', '--end').includes('--endpoints'));
  t.regex((await moldau(['completion', 'zsh'])).stdout, /^autoload -U \+X bashcompinit/);
  t.regex(
    (await moldau(['completion', 'fish'])).stdout,
    /^complete -c moldau -f -n 'not __fish_seen_subcommand_from dev /,
  );
});

test('every command has help with an example', async (t) => {
  const commands = [
    'dev',
    'produce',
    'consume',
    'tail',
    'topic list',
    'cluster status',
    'log verify',
    'api call',
    'doctor',
  ];
  for (const command of commands) {
    const { code, stdout } = await onTerminal([...command.split(' '), '--help']);
    t.is(code, 0);
    t.regex(stdout, new RegExp(`Usage: moldau ${command} [\\s\\S]*Examples:\\n[\\s\\S]*moldau ${command}`));
  }
});
