import type { Command } from 'commander';
import { examples } from '../examples.ts';
import { gathered } from '../gathered.ts';
import type { Io } from '../io.ts';

/** `group …` */
export function addGroups(root: Command, io: Io): void {
  const group = root.command('group').description('look at consumer groups and change them');

  group
    .command('list')
    .description('all groups, and how many members they have')
    .addHelpText('after', examples('moldau group list', 'moldau group list --output name'))
    .action(async (_options, command: Command) =>
      (await import('../commands/group.ts')).list(command.optsWithGlobals(), io),
    );
  group
    .command('describe')
    .description('the members of a group, what they have, and how far it is behind')
    .argument('<name>')
    .option('--watch', 'again every two seconds, until Ctrl-C')
    .addHelpText(
      'after',
      examples('moldau group describe billing --watch', 'moldau group describe billing --output yaml'),
    )
    .action(async (name: string, _options, command: Command) =>
      (await import('../commands/group.ts')).describe(name, command.optsWithGlobals(), io),
    );
  group
    .command('lag')
    .description('how far groups are behind, by partition, in records and in milliseconds')
    .argument('<name...>')
    .addHelpText('after', examples('moldau group lag billing', 'moldau group lag billing shipping --output jsonl'))
    .action(async (names: string[], _options, command: Command) =>
      (await import('../commands/group.ts')).lag(names, command.optsWithGlobals(), io),
    );
  group
    .command('seek')
    .alias('reset')
    .description('move what a group has committed; it must have no members')
    .argument('<name>')
    .requiredOption(
      '--to <position>',
      'start, end, N, -N (before the end), @TIME, @-1h, or +N and ~N: so many records on, or back',
    )
    .option('-t, --topic <name>', 'only this one; may be repeated. Default: all that the group has committed', gathered)
    .option('-p, --partition <number>', 'only this partition; with --topic')
    .option('--force', 'although it has members: those go on from where they are')
    .option('--dry-run', 'only say where it would go on')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples(
        'moldau group seek billing --to @-1h --dry-run',
        'moldau group seek billing --to start -t orders --yes',
        'moldau group seek billing --to ~100 -t orders -p 3 --yes',
      ),
    )
    .action(async (name: string, _options, command: Command) =>
      (await import('../commands/group.ts')).seek(name, command.optsWithGlobals(), io),
    );
  group
    .command('delete')
    .description('delete groups with their offsets; they must have no members')
    .argument('<name...>')
    .option('--dry-run', 'only check')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', examples('moldau group delete billing'))
    .action(async (names: string[], _options, command: Command) =>
      (await import('../commands/group.ts')).remove(names, command.optsWithGlobals(), io),
    );
}
