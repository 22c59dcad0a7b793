import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '@moldau/testing/free-ports';
import { TiedProcess } from '@moldau/testing/tied-process';
import type { DebianServer } from '../../streams/debian-server.ts';

/** A broker that serves streams, and the port mapper of its own. */
export interface Broker {
  readonly port: number;
  readonly processes: readonly TiedProcess[];
}

type Ports = { readonly streams: number; readonly distribution: number; readonly mapper: number };

const attempts = 5;

/** Starts a broker that shares nothing with one that may be installed. Resolves when it serves. */
export async function startBroker(server: DebianServer, directory: string): Promise<Broker> {
  for (let attempt = 1; ; attempt++) {
    const [streams = 0, distribution = 0, mapper = 0] = await freePorts(3);
    const folder = join(directory, `rabbitmq-${attempt}`);
    const processes = await startProcesses(server, folder, { streams, distribution, mapper });
    const broker = processes[0];
    try {
      await broker?.says(/Server startup complete/);
      return { port: streams, processes };
    } catch (error) {
      await Promise.all(processes.map((one) => one.kill()));
      // Between finding a free port and using it, somebody else may take it.
      if (!/eaddrinuse|already in use/i.test(String(error)) || attempt === attempts) throw error;
    }
  }
}

async function startProcesses({ root, env }: DebianServer, folder: string, ports: Ports): Promise<TiedProcess[]> {
  const erlang = await erlangEnv(join(root, 'usr', 'lib', 'erlang'), folder);
  // Else Erlang would start one that serves the whole machine, and stays.
  const mapperAt = { ERL_EPMD_PORT: String(ports.mapper), ERL_EPMD_ADDRESS: '127.0.0.1' };
  const mapper = new TiedProcess(join(erlang.BINDIR, 'epmd'), [], { env: { ...env, ...mapperAt } });
  const home = await homeOf(root);
  const args = ['-noinput', '-start_epmd', 'false', '-kernel', 'inet_dist_use_interface', '{127,0,0,1}'];
  const broker = new TiedProcess(join(home, 'sbin', 'rabbitmq-server'), args, {
    env: { ...env, ...erlang, ...mapperAt, ...(await brokerEnv(home, folder, ports)) },
    isRead: true,
  });
  return [broker, mapper];
}

/** Erlang's start script looks for everything at the place where packages install it; what it starts takes the place from here. */
async function erlangEnv(root: string, folder: string) {
  const runtime = (await readdir(root)).find((name) => name.startsWith('erts-'));
  if (runtime === undefined) throw new Error(`there is no Erlang in ${root}`);
  const BINDIR = join(root, runtime, 'bin');
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  await symlink(join(BINDIR, 'erlexec'), join(bin, 'erl'));
  return { ROOTDIR: root, BINDIR, EMU: 'beam', PROGNAME: 'erl', PATH: `${bin}:${process.env.PATH}` };
}

async function homeOf(root: string): Promise<string> {
  const libraries = join(root, 'usr', 'lib', 'rabbitmq', 'lib');
  const home = (await readdir(libraries)).find((name) => name.startsWith('rabbitmq_server-'));
  if (home === undefined) throw new Error(`there is no RabbitMQ in ${libraries}`);
  return join(libraries, home);
}

async function brokerEnv(home: string, folder: string, ports: Ports): Promise<Record<string, string>> {
  const config = join(folder, 'rabbitmq.conf');
  const plugins = join(folder, 'enabled_plugins');
  await writeFile(
    config,
    [
      'listeners.tcp = none',
      `stream.listeners.tcp.1 = 127.0.0.1:${ports.streams}`,
      'stream.advertised_host = 127.0.0.1',
      `stream.advertised_port = ${ports.streams}`,
      '',
    ].join('\n'),
  );
  await writeFile(plugins, '[rabbitmq_stream].\n');
  return {
    // Its cookie is made there.
    HOME: folder,
    // Its script becomes the broker, instead of waiting for one that it started.
    RABBITMQ_ALLOW_INPUT: 'true',
    RABBITMQ_CONF_ENV_FILE: join(folder, 'none'),
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'none'),
    RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
    RABBITMQ_PLUGINS_DIR: join(home, 'plugins'),
    RABBITMQ_NODENAME: `moldau-${ports.distribution}@localhost`,
    RABBITMQ_DIST_PORT: String(ports.distribution),
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_LOGS: '-',
  };
}
