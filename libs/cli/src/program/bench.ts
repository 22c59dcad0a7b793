import { fastProducer } from '@moldau/bench/fast-producer';
import type { Command } from 'commander';
import { examples } from '../examples.ts';
import type { Io } from '../io.ts';

const defaultTopic = 'moldau-bench';
const setForSpeed = `
This is set for speed. A producer of the TypeScript client that is told nothing fills
batches of 64KiB, with a linger of 5ms and a buffer of 32MiB.`;

/** `bench …` */
export function addBench(root: Command, io: Io): void {
  const bench = root.command('bench').description('measure how fast a cluster is, from here');
  layout(bench.command('produce'))
    .description('write records as fast as they are taken, or at a steady rate')
    .argument('[topic]', 'created if it does not exist', defaultTopic)
    .option('--records <number>', 'how many', '1000000')
    .option('--rate <number>', 'records a second; latencies count from when each was due')
    .option('--keys <number>', 'draw keys from so many; without it records have none')
    .option('--batch-size <size>', 'a batch that has reached this is sent', fastProducer.batchSize)
    .option('--linger <duration>', 'how long a batch waits for more', fastProducer.linger)
    .option('--buffer <size>', 'memory for what is not acknowledged', fastProducer.buffer)
    .option('-z, --compression <name>', 'none, gzip, snappy, lz4 or zstd', 'none')
    .addHelpText('after', setForSpeed)
    .addHelpText(
      'after',
      examples(
        'moldau bench produce --records 5000000 --size 100B',
        'moldau bench produce orders --rate 1000 --records 10000 --linger 0ms',
      ),
    )
    .action(async (topic: string, _options, command: Command) =>
      (await import('../commands/bench.ts')).produce(topic, command.optsWithGlobals(), io),
    );
  sized(bench.command('consume'))
    .description('read all that `bench produce` has written, and check it')
    .argument('[topic]', 'what was written to', defaultTopic)
    .option('--how <way>', 'records: one by one; batches: by the handful; raw: as stored, undecoded', 'records')
    .addHelpText('after', examples('moldau bench consume', 'moldau bench consume --how batches --output json'))
    .action(async (topic: string, _options, command: Command) =>
      (await import('../commands/bench.ts')).consume(topic, command.optsWithGlobals(), io),
    );
  layout(bench.command('e2e'))
    .description('write at a steady rate to a topic of its own, and time each record until it is read')
    .option('--rate <number>', 'records a second', '1000')
    .option('--duration <duration>', 'for how long', '10s')
    .option('--linger <duration>', 'how long a batch waits for more', '0ms')
    .addHelpText('after', examples('moldau bench e2e', 'moldau bench e2e --rate 100000 --linger 1ms'))
    .action(async (_options, command: Command) =>
      (await import('../commands/bench.ts')).endToEnd(command.optsWithGlobals(), io),
    );
}

const sized = (command: Command): Command => command.option('--size <size>', 'of each value', '100B');

const layout = (command: Command): Command =>
  sized(command)
    .option('--partitions <number>', 'of a topic that is created; default: 1')
    .option('--replicas <number>', 'of a topic that is created; default: as the cluster is set');
