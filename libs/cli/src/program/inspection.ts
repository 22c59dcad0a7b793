import type { Command } from 'commander';
import { examples } from '../examples.ts';
import type { Io } from '../io.ts';

/** `cluster …`, `log …`, `api …` and `doctor`: what looks and changes nothing. */
export function addInspection(root: Command, io: Io): void {
  addCluster(root.command('cluster').description('the cluster and its nodes'), io);
  addLog(root.command('log').description('look into data files, offline: nothing is locked or written'), io);
  addApi(root.command('api').description('the gRPC contract, by hand'), io);
  root
    .command('doctor')
    .description('find what may be wrong here, and what to do')
    .addHelpText('after', examples('moldau doctor', 'moldau doctor -s staging:7070'))
    .action(async (_options, command: Command) =>
      (await import('../commands/doctor.ts')).doctor(command.optsWithGlobals(), io),
    );
}

function addCluster(cluster: Command, io: Io): void {
  cluster
    .command('status')
    .description('numbers, and what is wrong')
    .option('--watch', 'again every two seconds, until Ctrl-C')
    .addHelpText('after', examples('moldau cluster status --watch'))
    .action(async (_options, command: Command) =>
      (await import('../commands/cluster.ts')).status(command.optsWithGlobals(), io),
    );
  cluster
    .command('health')
    .description(
      'what is wrong; ends with 0 for nothing, 1 for warnings, 2 when something does not work, 4 when nobody answers',
    )
    .addHelpText('after', examples('moldau cluster health --quiet || echo look at it'))
    .action(async (_options, command: Command) =>
      (await import('../commands/cluster.ts')).health(command.optsWithGlobals(), io),
    );
  cluster
    .command('nodes')
    .description('all nodes')
    .addHelpText('after', examples('moldau cluster nodes'))
    .action(async (_options, command: Command) =>
      (await import('../commands/cluster.ts')).nodes(command.optsWithGlobals(), io),
    );
  cluster
    .command('partitions')
    .description('leaders and replicas of all partitions')
    .argument('[topic...]', 'default: all')
    .option('--under-replicated', 'only those without a leader, or with replicas that are not in sync')
    .addHelpText('after', examples('moldau cluster partitions --under-replicated', 'moldau cluster partitions orders'))
    .action(async (topics: string[], _options, command: Command) =>
      (await import('../commands/cluster.ts')).partitions(topics, command.optsWithGlobals(), io),
    );
}

function addLog(log: Command, io: Io): void {
  const place = 'a .log file, the directory of a partition or of a node, or that of moldau dev';
  log
    .command('dump')
    .description('print the batches, a line of JSON each; ends with 1 where something is damaged')
    .argument('<path>', place)
    .option('--records', 'print the records instead')
    .addHelpText('after', examples('moldau log dump .moldau/node-1/partitions/<id>-0 --records'))
    .action(async (path: string, _options, command: Command) =>
      (await import('../commands/log.ts')).dump(path, command.optsWithGlobals(), io),
    );
  log
    .command('verify')
    .description('walk every segment: CRCs, offsets, epochs, indexes; ends with 1 where something is damaged')
    .argument('<path>', place)
    .addHelpText('after', examples('moldau log verify .moldau'))
    .action(async (path: string, _options, command: Command) =>
      (await import('../commands/log.ts')).verify(path, command.optsWithGlobals(), io),
    );
}

function addApi(api: Command, io: Io): void {
  api
    .command('list')
    .description('all methods')
    .addHelpText('after', examples('moldau api list --output name'))
    .action(async (_options, command: Command) =>
      (await import('../commands/api.ts')).list(command.optsWithGlobals(), io),
    );
  api
    .command('describe')
    .description('a method with its messages, or a message')
    .argument('<name>')
    .addHelpText('after', examples('moldau api describe ListOffsets'))
    .action(async (name: string) => (await import('../commands/api.ts')).describe(name, io));
  api
    .command('call')
    .description('call a unary method or a server stream')
    .argument('<method>')
    .argument('[json]', 'the request (default: {}); -: from stdin')
    .addHelpText(
      'after',
      examples(
        'moldau api call GetServerInfo',
        `moldau api call LogService.Read '{"topic": "greetings", "from": {"earliest": {}}, "limit": 1}'`,
      ),
    )
    .action(async (method: string, json: string | undefined, _options, command: Command) =>
      (await import('../commands/api.ts')).call(method, json, command.optsWithGlobals(), io),
    );
}
