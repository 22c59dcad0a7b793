import { Cluster } from './cluster.ts';
import { Load } from './load.ts';
import type { Scenario } from './scenarios.ts';

const partitions = 6;

/** Runs scenarios one after the other on one cluster that is in use. Rejects with the first that does not hold. */
export async function runScenarios(wanted: readonly Scenario[], say: (text: string) => void): Promise<void> {
  const cluster = await Cluster.start();
  try {
    const client = await cluster.client();
    const load = await Load.start(client, { topic: 'load', partitions });
    for (const scenario of wanted) {
      say(`${scenario.name}: ${scenario.what}`);
      await scenario.run({ cluster, client, load, say });
    }
    const acknowledged = await load.finish();
    if (load.errors.length > 0) throw new Error(`users saw ${load.errors.length} errors: ${load.errors[0]}`);
    say(`${acknowledged} records were acknowledged; all are there, each once, in order; no user saw an error`);
    await client.close();
  } finally {
    await cluster.close();
  }
}
