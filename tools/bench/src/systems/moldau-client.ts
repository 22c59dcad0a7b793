// One client of Moldau, for one load.
import {
  type ConsumeLoad,
  consumeLoad,
  type EndToEndLoad,
  endToEndLoad,
  type ProduceLoad,
  produceLoad,
} from '@moldau/bench';
import { connect } from '@moldau/client';
import { found, given } from '@moldau/measure-tool/children';

/** What it is to do. */
export type ClientTask = { readonly endpoints: readonly string[] } & (
  | { readonly kind: 'produce'; readonly load: ProduceLoad }
  | { readonly kind: 'consume'; readonly load: ConsumeLoad }
  | { readonly kind: 'end-to-end'; readonly load: EndToEndLoad }
);

const task = given<ClientTask>();
const { endpoints } = task;
await using client = await connect({ endpoints, collectEarly: true });
const progress = { records: 0 };
switch (task.kind) {
  case 'produce':
    found(await produceLoad(client, task.load, progress));
    break;
  case 'consume':
    found(await consumeLoad(client, task.load, progress));
    break;
  case 'end-to-end': {
    await using reading = await connect({ endpoints, collectEarly: true });
    found(await endToEndLoad(client, reading, task.load, progress));
  }
}
