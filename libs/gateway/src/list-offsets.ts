import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults, hasReason, type Millis, MoldauError } from '@moldau/kernel';
import {
  type ListOffsetsRequest,
  type ListOffsetsResponseSchema,
  LogService,
  type OffsetQuery,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { type CallContext, fromWireError, toWireError } from '@moldau/rpc';
import { isAboutPlaceOrLost, LeaderSearch } from './leader-search.ts';
import type { GatewayParts } from './parts.ts';
import { type Named, targetOf, topicOf } from './routes.ts';

type Response = MessageInitShape<typeof ListOffsetsResponseSchema>;
type Answer = NonNullable<Response['answers']>[number];

/** One query on its way. */
interface Lookup {
  readonly query: OffsetQuery;
  answer: Answer;
  /** Why it is to be asked again. `undefined`: the answer stands. */
  trouble: MoldauError | undefined;
}

const maxQueries = 1_000;
/** Leaders are looked for so long: who asks can look again. */
const patienceMs: Millis = 3_000;

/** Serves `LogService.ListOffsets`: asks the leader of each partition, and puts their answers together. A bad query fails alone. */
export async function listOffsets(
  { queries, ...asked }: ListOffsetsRequest,
  context: CallContext,
  parts: GatewayParts,
): Promise<Response> {
  if (queries.length > maxQueries)
    throw faults.invalidRequest('queries', `has ${queries.length}: at most ${maxQueries}`);
  // All answers are of one topic, whatever its name may come to mean.
  const { id: topicId } = topicOf(parts.view, asked);
  const search = LeaderSearch.within(parts, context, patienceMs);
  const lookups = queries.map((query): Lookup => ({ query, answer: {}, trouble: undefined }));
  for (let open = lookups; open.length > 0; ) {
    const groups = byLeader({ ...asked, topicId }, open, parts);
    await Promise.all(
      [...groups].map(([address, group]) => ask(address, { ...asked, topicId }, group, parts, context.signal)),
    );
    open = open.filter(({ trouble }) => trouble !== undefined);
    if (open.length > 0 && !(await mayTryAgain(search, open[0]?.trouble))) break;
  }
  context.signal.throwIfAborted();
  return { answers: lookups.map(({ answer }) => answer) };
}

/** Out of patience, what was not found is told in its place. */
const mayTryAgain = (search: LeaderSearch, trouble: MoldauError | undefined): Promise<boolean> =>
  search
    .again(trouble, () => true)
    .then(
      () => true,
      () => false,
    );

/** The lookups of each address. What no one leads is answered by that. */
function byLeader(topic: Named, lookups: readonly Lookup[], { view }: GatewayParts): Map<string, Lookup[]> {
  const groups = new Map<string, Lookup[]>();
  for (const lookup of lookups) {
    try {
      const { address } = targetOf(view, topic, lookup.query.partition);
      groups.set(address, [...(groups.get(address) ?? []), lookup]);
    } catch (error) {
      refuse(lookup, error, (refusal) => hasReason(refusal, 'NOT_LEADER'));
    }
  }
  return groups;
}

async function ask(
  address: string,
  { topic, topicId }: Named,
  lookups: readonly Lookup[],
  { connections }: GatewayParts,
  signal: AbortSignal,
): Promise<void> {
  try {
    const request = { topic, topicId, queries: lookups.map(({ query }) => query) };
    const { answers } = await connections
      .to(address, 'control')
      .unary(LogService.method.listOffsets, request, { signal });
    for (const [place, lookup] of lookups.entries()) {
      const { error, ...answer } = answers[place] ?? {};
      lookup.answer = answer;
      lookup.trouble = undefined;
      if (error !== undefined) refuse(lookup, fromWireError(error), isAboutPlaceOrLost);
    }
  } catch (error) {
    for (const lookup of lookups) refuse(lookup, error, isAboutPlaceOrLost);
  }
}

function refuse(lookup: Lookup, error: unknown, mayPass: (error: MoldauError) => boolean): void {
  if (!(error instanceof MoldauError)) throw error;
  lookup.answer = { partition: lookup.query.partition, error: toWireError(error) };
  lookup.trouble = mayPass(error) ? error : undefined;
}
