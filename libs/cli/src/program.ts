import { Command } from 'commander';
import { examples } from './examples.ts';
import type { Io } from './io.ts';
import { addBench } from './program/bench.ts';
import { addGroups } from './program/groups.ts';
import { addInspection } from './program/inspection.ts';
import { addRecords } from './program/records.ts';
import { addSetup } from './program/setup.ts';
import { addTopics } from './program/topics.ts';
import { outputs, settingsSchema, warnOfSlips } from './settings.ts';
import { version } from './version.ts';

/** The commands of `moldau`. Each loads its code when it runs, so that the start stays fast. */
export function program(io: Io): Command {
  const doc = (key: keyof typeof settingsSchema): string => {
    const { doc: meaning, defaultText } = settingsSchema[key];
    return defaultText === '' ? meaning : `${meaning} (default: ${defaultText})`;
  };
  const root = new Command('moldau')
    .description('Distributed event streaming')
    .version(version, '-V, --version')
    .helpOption('-h, --help', 'say what there is, and end')
    .option('-s, --endpoints <host:port,…>', doc('endpoints'))
    .option('--tls-ca <file>', doc('tls.ca'))
    .option('--tls-cert <file>', doc('tls.cert'))
    .option('--tls-key <file>', doc('tls.key'))
    .option('--tls-server-name <name>', doc('tls.server.name'))
    .option('--token <text>', doc('token'))
    .option('--timeout <duration>', doc('timeout'))
    .option('--output <form>', `${outputs.join(', ')}. ${doc('output')}`)
    .option('--profile <name>', 'Take from this profile what no flag and no variable says.')
    .option('-q, --quiet', 'Say nothing but data and errors.');
  root.addHelpText(
    'after',
    examples(
      'moldau dev',
      "echo 'hello, river' | moldau produce greetings",
      'moldau consume greetings -o start -e',
      'moldau topic list --output table',
    ),
  );
  root.hook('preAction', (_root, command) => {
    // The doctor tells of all that are unknown.
    if (command.name() !== 'doctor') warnOfSlips(command.optsWithGlobals(), io);
  });
  addRecords(root, io);
  addTopics(root, io);
  addGroups(root, io);
  addInspection(root, io);
  addBench(root, io);
  addSetup(root, io);
  return root;
}
