import type { Command } from 'commander';
import { examples } from '../examples.ts';
import { gathered } from '../gathered.ts';
import type { Io } from '../io.ts';

/** `dev`, `produce`, `consume` and `tail`. */
export function addRecords(root: Command, io: Io): void {
  root
    .command('dev')
    .description('run a whole cluster in this process')
    .option('--dir <folder>', 'where its data is kept (default: ./.moldau)')
    .option('--memory', 'keep the data in memory only')
    .option('--reset', 'delete the data of earlier runs first')
    .option('--yes', 'do not ask before that')
    .option(
      '--nodes <number>',
      'how many storage nodes; several listen behind a gateway, on the ports above. Topics made before with one copy keep one',
      '1',
    )
    .option('--host <host>', 'the address to listen on', '127.0.0.1')
    .option('--port <number>', 'the port to listen on; 0 takes a free one', '7070')
    .option('--http-port <number>', 'serve /metrics, /healthz and /readyz on this port')
    .addHelpText(
      'after',
      examples('moldau dev', 'moldau dev --memory --port 0 --output json', 'moldau dev --reset --yes'),
    )
    .action(async (_options, command: Command) =>
      (await import('../commands/dev.ts')).dev(command.optsWithGlobals(), io),
    );

  root
    .command('produce')
    .description('write each line of a file, or of stdin, as a record')
    .argument('<topic>', 'created if it does not exist')
    .argument('[file]', 'default, and for -: stdin')
    .option('-k, --key <key>', 'the key of every record')
    .option('-K, --key-delimiter <text>', 'what stands between key and value in a line; a line without it has no key')
    .option('-H, --header <name=value>', 'a header of every record; may be repeated', gathered)
    .option('-z, --compression <name>', 'none, gzip, snappy, lz4 or zstd')
    .option('-p, --partition <number>', 'write to this partition')
    .option('--json', 'each line is an object with key, value and headers, as consume --json prints it')
    .option('--report <file>', 'write partition and offset, or the outcome, of each record to this file as JSON lines')
    .addHelpText(
      'after',
      '\nA record is tried for two minutes, so that a restart of the cluster is waited out; for --timeout, if that is given.',
    )
    .addHelpText(
      'after',
      examples(
        "echo 'hello, river' | moldau produce greetings",
        "moldau produce orders -K : orders.txt    # lines such as 'customer-1:a book'",
        'moldau consume a -o start -e --json | moldau produce b --json --report outcomes.jsonl',
      ),
    )
    .action(async (topic: string, file: string | undefined, _options, command: Command) =>
      (await import('../commands/produce.ts')).produce(topic, file, command.optsWithGlobals(), io),
    );

  reading(root.command('consume'))
    .argument('[topic...]')
    .description('print the records of one or several topics')
    .option('-o, --offset <position>', 'start, end, N, -N (before the end), @TIME, @-1h, or a range such as @-1h:end')
    .option('-e, --exit', 'stop at the end')
    .option(
      '-g, --group <name>',
      'as a member of this group: begins where it stands (-o: where it stands nowhere; default: start), and commits what it printed',
    )
    .option('--pattern <pattern>', 'with -g: also topics whose whole name matches this regular expression (RE2)')
    .option('--instance-id <name>', 'with -g: who comes back under this name in time has its partitions again')
    .addHelpText(
      'after',
      examples(
        'moldau consume greetings -o start -n 1',
        "moldau consume orders -o @-1h:end -f '%p %o %k %v\\n'",
        'moldau consume orders invoices -o -10 -e --json',
        'moldau consume orders -g billing',
        "moldau consume -g audit --pattern 'orders.*' -e",
        "moldau consume orders -o @2026-11-22T08:00Z --grep 'book'",
      ),
    )
    .action(async (topics: string[], _options, command: Command) =>
      (await import('../commands/consume.ts')).consume(topics, command.optsWithGlobals(), io),
    );

  reading(root.command('tail'))
    .argument('<topic...>')
    .description('print what comes from now on: consume -o end')
    .addHelpText('after', examples('moldau tail orders', 'moldau tail orders --key customer-1'))
    .action(async (topics: string[], _options, command: Command) =>
      (await import('../commands/consume.ts')).consume(topics, { ...command.optsWithGlobals(), offset: 'end' }, io),
    );
}

function reading(command: Command): Command {
  return command
    .option('-n, --count <number>', 'stop after so many records')
    .option('-f, --format <format>', 'how to print a record, for example %t %p %o %k %v %h %T \\n (default: %v\\n)')
    .option('--json', 'print records as JSON lines')
    .option('-p, --partition <number>', 'read only this partition')
    .option('--key <key>', 'only records with this key')
    .option('--grep <pattern>', 'only records whose value matches this regular expression');
}
