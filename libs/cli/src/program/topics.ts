import type { Command } from 'commander';
import { examples } from '../examples.ts';
import { gathered } from '../gathered.ts';
import type { Io } from '../io.ts';

/** `topic …` */
export function addTopics(root: Command, io: Io): void {
  const topic = root.command('topic').description('look at topics and change them');

  topic
    .command('list')
    .description('all topics with their sizes')
    .option('--internal', 'with the topics of the system')
    .addHelpText('after', examples('moldau topic list', 'moldau topic list --output name'))
    .action(async (_options, command: Command) =>
      (await import('../commands/topic.ts')).list(command.optsWithGlobals(), io),
    );
  topic
    .command('create')
    .description('create one or several topics')
    .argument('<name...>')
    .option('-p, --partitions <number>', "default: the cluster's")
    .option('-r, --replicas <number>', "default: the cluster's")
    .option('-c, --config <key=value>', "a setting that differs from the cluster's; may be repeated", gathered)
    .option('--if-not-exists', 'a topic that exists is no error')
    .option('--dry-run', 'only check')
    .addHelpText('after', examples('moldau topic create orders -p 6 -c retention=7d'))
    .action(async (names: string[], _options, command: Command) =>
      (await import('../commands/topic.ts')).create(names, command.optsWithGlobals(), io),
    );
  topic
    .command('describe')
    .description('partitions, leaders and settings of a topic')
    .argument('<name>')
    .addHelpText('after', examples('moldau topic describe orders', 'moldau topic describe orders --output yaml'))
    .action(async (name: string, _options, command: Command) =>
      (await import('../commands/topic.ts')).describe(name, command.optsWithGlobals(), io),
    );
  addConfig(topic, io);
  topic
    .command('add-partitions')
    .description('give a topic more partitions')
    .argument('<name>')
    .requiredOption('--to <number>', 'how many it shall have in all')
    .option('--dry-run', 'only check')
    .addHelpText('after', examples('moldau topic add-partitions orders --to 12'))
    .action(async (name: string, _options, command: Command) =>
      (await import('../commands/topic.ts')).addPartitions(name, command.optsWithGlobals(), io),
    );
  topic
    .command('offsets')
    .description('first and next offset of each partition, and its size')
    .argument('<name>')
    .option('-o, --offset <position>', 'also find this position: start, end, N, -N, @TIME or @-1h')
    .option('-p, --partition <number>', 'only this partition')
    .addHelpText('after', examples('moldau topic offsets orders', 'moldau topic offsets orders -o @-1h'))
    .action(async (name: string, _options, command: Command) =>
      (await import('../commands/topic-offsets.ts')).offsets(name, command.optsWithGlobals(), io),
    );
  topic
    .command('trim')
    .description('delete the oldest records of a topic')
    .argument('<name>')
    .requiredOption('--before <position>', 'what lies before it goes: start (nothing does), end, N, -N, @TIME or @-1h')
    .option('-p, --partition <number>', 'only this partition')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'only say what would go')
    .addHelpText(
      'after',
      examples('moldau topic trim orders --before @-30d --dry-run', 'moldau topic trim orders -p 0 --before 4711'),
    )
    .action(async (name: string, _options, command: Command) =>
      (await import('../commands/topic-offsets.ts')).trim(name, command.optsWithGlobals(), io),
    );
  topic
    .command('delete')
    .description('delete one or several topics with all records')
    .argument('<name...>')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'only check')
    .addHelpText('after', examples('moldau topic delete greetings --yes'))
    .action(async (names: string[], _options, command: Command) =>
      (await import('../commands/topic.ts')).remove(names, command.optsWithGlobals(), io),
    );
}

function addConfig(topic: Command, io: Io): void {
  const config = topic.command('config').description('the settings of a topic');
  config
    .command('get')
    .description('settings with their sources')
    .argument('<name>')
    .argument('[key...]', 'default: all')
    .addHelpText('after', examples('moldau topic config get orders retention'))
    .action(async (name: string, keys: string[], _options, command: Command) =>
      (await import('../commands/topic.ts')).configGet(name, keys, command.optsWithGlobals(), io),
    );
  config
    .command('set')
    .description('change settings')
    .argument('<name>')
    .argument('<key=value...>')
    .option('--dry-run', 'only check')
    .addHelpText('after', examples('moldau topic config set orders retention=30d'))
    .action(async (name: string, set: string[], _options, command: Command) =>
      (await import('../commands/topic.ts')).configChange(name, { set, unset: [] }, command.optsWithGlobals(), io),
    );
  config
    .command('unset')
    .description("give settings back to the cluster's default")
    .argument('<name>')
    .argument('<key...>')
    .option('--dry-run', 'only check')
    .addHelpText('after', examples('moldau topic config unset orders retention'))
    .action(async (name: string, unset: string[], _options, command: Command) =>
      (await import('../commands/topic.ts')).configChange(name, { set: [], unset }, command.optsWithGlobals(), io),
    );
}
