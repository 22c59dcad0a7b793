import { Violation } from '../oracle/violation.ts';
import type { World } from '../world.ts';

/** Nothing that went wrong before keeps a partition from being written to. */
export async function writeInPeace(
  world: World,
  topics: readonly { readonly name: string; readonly partitions: number }[],
): Promise<void> {
  const { client } = world.person('late');
  const writing = world.background(async () => {
    for (const { name, partitions } of topics) {
      const producer = client.producer({ topic: name, deliveryTimeout: '20s' });
      for (let partition = 0; partition < partitions; partition += 1) {
        const write = world.oracle.invoke(`late.${name}.${partition}`, name, 10, undefined);
        try {
          world.oracle.ok(write, partition, (await producer.send({ value: write.text, partition })).offset);
        } catch (error) {
          throw new Violation('liveness', `${name}/${partition} can't be written to in peace: ${error}`);
        }
      }
      await producer.close();
    }
  });
  await world.until('the last writing', () => writing.isOver, 60_000);
}
