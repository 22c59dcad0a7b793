import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '@moldau/testing/free-ports';
import { TiedProcess } from '@moldau/testing/tied-process';
import { runClient } from '../../client-process.ts';
import { type KafkaJava, serverArgs, toolArgs } from './java.ts';

/** Nodes that are brokers and controllers at once, and serve. */
export interface KafkaNodes {
  readonly bootstrap: string;
  readonly processes: readonly TiedProcess[];
}

type Ports = { readonly clients: number; readonly controllers: number };

const attempts = 5;
const host = '127.0.0.1';

/** Starts so many nodes that form a cluster. Resolves when all of them serve. */
export async function startNodes(java: KafkaJava, directory: string, count: number): Promise<KafkaNodes> {
  for (let attempt = 1; ; attempt++) {
    const found = await freePorts(2 * count);
    const ports = Array.from(
      { length: count },
      (_, i): Ports => ({ clients: found[2 * i] ?? 0, controllers: found[2 * i + 1] ?? 0 }),
    );
    const folder = join(directory, `kafka-${attempt}`);
    const files = await Promise.all(ports.map((_, i) => writeProperties(join(folder, String(i)), ports, i)));
    const cluster = randomBytes(16).toString('base64url');
    for (const file of files) {
      await runClient(
        java.program,
        toolArgs(java, 'kafka.tools.StorageTool', ['format', '--cluster-id', cluster, '--config', file]),
      );
    }
    const processes = files.map((file) => new TiedProcess(java.program, serverArgs(java, file)));
    const started = await Promise.allSettled(processes.map((one) => one.says(/Kafka Server started/)));
    const failed = started.find((result) => result.status === 'rejected');
    if (failed === undefined)
      return { bootstrap: ports.map(({ clients }) => `${host}:${clients}`).join(','), processes };
    await Promise.all(processes.map((one) => one.kill()));
    // Between finding a free port and using it, somebody else may take it.
    if (!/address already in use/i.test(String(failed.reason)) || attempt === attempts) throw failed.reason;
  }
}

async function writeProperties(folder: string, all: readonly Ports[], i: number): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'server.properties');
  await writeFile(file, properties(join(folder, 'data'), all, i));
  return file;
}

function properties(dataFolder: string, all: readonly Ports[], i: number): string {
  const own = all[i];
  if (own === undefined) throw new Error(`there is no node ${i}`);
  const copies = all.length;
  return [
    'process.roles=broker,controller',
    `node.id=${i + 1}`,
    `controller.quorum.voters=${all.map(({ controllers }, n) => `${n + 1}@${host}:${controllers}`).join(',')}`,
    `listeners=PLAINTEXT://${host}:${own.clients},CONTROLLER://${host}:${own.controllers}`,
    `advertised.listeners=PLAINTEXT://${host}:${own.clients}`,
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name=PLAINTEXT',
    'controller.listener.names=CONTROLLER',
    `log.dirs=${dataFolder}`,
    'auto.create.topics.enable=false',
    `offsets.topic.replication.factor=${copies}`,
    // Groups play no part in what is measured: neither the making of their 50 partitions nor their wait for members.
    'offsets.topic.num.partitions=1',
    'group.initial.rebalance.delay.ms=0',
    '',
  ].join('\n');
}
