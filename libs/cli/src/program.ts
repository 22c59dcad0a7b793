import { Command } from 'commander';
import type { Io } from './io.ts';
import { version } from './version.ts';

/** The commands of `moldau`. Each loads its code when it runs, so that the start stays fast. */
export function program(io: Io): Command {
  const root = new Command('moldau')
    .description('A distributed event-streaming platform')
    .version(version, '-V, --version')
    .option('-s, --endpoints <host:port,…>', 'where the cluster is', io.env.MOLDAU_ENDPOINTS ?? 'localhost:7070')
    .option('--timeout <duration>', 'how long a call may take, retries included', io.env.MOLDAU_TIMEOUT ?? '10s')
    .option('-q, --quiet', 'say nothing but data and errors');

  root
    .command('dev')
    .description('run a whole cluster in this process')
    .option('--dir <folder>', 'where its data is kept', './.moldau')
    .option('--memory', 'keep the data in memory only')
    .option('--host <host>', 'the address to listen on', '127.0.0.1')
    .option('--port <number>', 'the port to listen on', '7070')
    .action(async (options) => (await import('./commands/dev.ts')).dev(options, io));

  root
    .command('produce')
    .description('write each line of a file, or of stdin, as a record')
    .argument('<topic>')
    .argument('[file]', 'default: stdin')
    .option('-k, --key <key>', 'the key of every record')
    .option('-K, --key-delimiter <text>', 'what stands between key and value in a line')
    .option('-H, --header <name=value...>', 'a header of every record')
    .option('-z, --compression <name>', 'none, gzip, snappy, lz4 or zstd')
    .option('-p, --partition <number>', 'write to this partition')
    .option('--json', 'each line is an object with key, value and headers')
    .option('--report <file>', 'write partition and offset, or the outcome, of each record to this file')
    .action(async (topic, file, _, command: Command) =>
      (await import('./commands/produce.ts')).produce(topic, file, command.optsWithGlobals(), io),
    );

  root
    .command('consume')
    .description('print the records of a topic')
    .argument('<topic...>')
    .option('-o, --offset <position>', 'start, end, N, -N, @TIME, @-1h, or a range A:B')
    .option('-n, --count <number>', 'stop after so many records')
    .option('-e, --exit', 'stop at the end')
    .option('-f, --format <format>', 'how to print a record: %t %p %o %k %v %h %T \\n')
    .option('--json', 'print records as JSON lines')
    .option('-p, --partition <number>', 'read only this partition')
    .option('--key <key>', 'only records with this key')
    .option('--grep <pattern>', 'only records whose value matches')
    .action(async (topics, _, command: Command) =>
      (await import('./commands/consume.ts')).consume(topics, command.optsWithGlobals(), io),
    );

  return root;
}
