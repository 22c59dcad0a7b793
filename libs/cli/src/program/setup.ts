import type { Command } from 'commander';
import { examples } from '../examples.ts';
import type { Io } from '../io.ts';

/** `profile …`, `completion` and `version`. */
export function addSetup(root: Command, io: Io): void {
  const profile = root.command('profile').description('settings under a name');
  profile
    .command('create')
    .description('keep the global flags that are given under a name, and use them from now on')
    .argument('<name>')
    .option('--force', 'replace a profile that exists')
    .addHelpText('after', examples('moldau profile create staging -s staging-1:7070,staging-2:7070 --tls-ca ca.pem'))
    .action(async (name: string, _options, command: Command) =>
      (await import('../commands/profile.ts')).create(name, command.optsWithGlobals(), io),
    );
  profile
    .command('use')
    .description('use a profile from now on')
    .argument('<name>')
    .addHelpText('after', examples('moldau profile use staging'))
    .action(async (name: string, _options, command: Command) =>
      (await import('../commands/profile.ts')).use(name, command.optsWithGlobals(), io),
    );
  profile
    .command('list')
    .description('all profiles')
    .addHelpText('after', examples('moldau profile list'))
    .action(async (_options, command: Command) =>
      (await import('../commands/profile.ts')).list(command.optsWithGlobals(), io),
    );
  profile
    .command('print')
    .description('the settings of a profile; tokens are not shown')
    .argument('[name]', 'default: the one in use')
    .addHelpText('after', examples('moldau profile print staging'))
    .action(async (name: string | undefined, _options, command: Command) =>
      (await import('../commands/profile.ts')).print(name, command.optsWithGlobals(), io),
    );
  root
    .command('completion')
    .description('print a completion script')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText('after', examples('source <(moldau completion bash)', 'moldau completion fish | source'))
    .action(async (shell: string) => (await import('../commands/completion.ts')).completion(shell, root, io));
  root
    .command('version')
    .description('the version of this program, and of the server where one answers')
    .addHelpText('after', examples('moldau version --output json'))
    .action(async (_options, command: Command) =>
      (await import('../commands/version.ts')).version(command.optsWithGlobals(), io),
    );
}
