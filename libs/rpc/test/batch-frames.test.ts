import { create, equals, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type ReplicateResponse, ReplicateResponseSchema } from '@moldau/proto/moldau/internal/v1/replication_pb';
import { AppendSessionRequestSchema, FetchSessionResponseSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import test from 'ava';
import fc from 'fast-check';
import { encodeBatchFrame } from '../src/batch-frames.ts';
import { encode } from '../src/method-codec.ts';
import { inOnePiece } from '../src/pieces.ts';

const bytes = fc.nat(20_000).map((length) => new Uint8Array(length).fill(length % 251));
const int64 = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

const appends = fc.array(
  fc.record(
    {
      handle: uint32,
      sequence: int64,
      batch: bytes,
      acks: fc.constantFrom(0, 1, 2),
      timeoutMs: uint32,
      expectedOffset: int64,
    },
    { requiredKeys: ['batch'] },
  ),
  { maxLength: 8 },
);
const fetches = fc.array(
  fc.record(
    {
      handle: uint32,
      batches: bytes,
      highWatermark: int64,
      lastStableOffset: int64,
      logStart: int64,
      generation: uint32,
      from: int64,
    },
    { requiredKeys: ['batches'] },
  ),
  { maxLength: 8 },
);

test('a frame of batches reads as the general encoder would have written it', (t) => {
  let framed = 0;
  fc.assert(
    fc.property(appends, fetches, fc.boolean(), (toAppend, fetched, asMessage) => {
      const request: MessageInitShape<typeof AppendSessionRequestSchema> = {
        frame: { case: 'batches', value: { entries: toAppend } },
      };
      const response: MessageInitShape<typeof FetchSessionResponseSchema> = {
        frame: { case: 'batches', value: { entries: fetched } },
      };
      if (encodeBatchFrame(AppendSessionRequestSchema, request) !== undefined) framed += 1;
      const sent = asMessage ? create(AppendSessionRequestSchema, request) : request;
      const answered = asMessage ? create(FetchSessionResponseSchema, response) : response;
      return (
        equals(
          AppendSessionRequestSchema,
          fromBinary(AppendSessionRequestSchema, inOnePiece(encode(AppendSessionRequestSchema, sent))),
          create(AppendSessionRequestSchema, request),
        ) &&
        equals(
          FetchSessionResponseSchema,
          fromBinary(FetchSessionResponseSchema, inOnePiece(encode(FetchSessionResponseSchema, answered))),
          create(FetchSessionResponseSchema, response),
        )
      );
    }),
  );
  t.true(framed > 10, `${framed} of 100 were worth it`);
});

const epochs = fc.array(fc.record({ epoch: uint32, start: int64 }), { maxLength: 3 });
const replicated: fc.Arbitrary<MessageInitShape<typeof ReplicateResponseSchema>> = fc.record(
  {
    data: fc.array(
      fc.record(
        {
          session: uint32,
          leaderEpoch: uint32,
          from: int64,
          previousEpoch: uint32,
          epochs,
          batches: bytes,
          highWatermark: int64,
          logStart: int64,
        },
        { requiredKeys: ['batches'] },
      ),
      { maxLength: 8 },
    ),
    rejects: fc.array(fc.record({ session: uint32, leaderEpoch: uint32 }), { maxLength: 3 }),
    welcomes: fc.array(fc.record({ session: uint32, truncateTo: int64, logStart: int64 }), { maxLength: 3 }),
    beats: fc.array(fc.record({ session: uint32, highWatermark: int64 }), { maxLength: 3 }),
  },
  { requiredKeys: [] },
);

test('a frame between nodes reads as the general encoder would have written it, with all that stands beside its data', (t) => {
  const schema = ReplicateResponseSchema;
  let framed = 0;
  fc.assert(
    fc.property(replicated, fc.boolean(), (init, asMessage) => {
      const message: ReplicateResponse = create(schema, init);
      const fast = encodeBatchFrame(schema, asMessage ? message : init);
      if (fast !== undefined) framed += 1;
      const general = toBinary(schema, message);
      const sent = inOnePiece(encode(schema, asMessage ? message : init));
      return equals(schema, fromBinary(schema, sent), fromBinary(schema, general));
    }),
  );
  t.true(framed > 10, `${framed} of 100 were worth it`);
  t.is(encodeBatchFrame(schema, { beats: [{ session: 1 }] }), undefined);
});

test('what carries no large batch is left to the general encoder', (t) => {
  const small = { entries: [{ handle: 1, batch: new Uint8Array(100) }] };
  t.is(encodeBatchFrame(AppendSessionRequestSchema, { frame: { case: 'batches', value: small } }), undefined);
  t.is(encodeBatchFrame(AppendSessionRequestSchema, { frame: { case: 'heartbeat', value: {} } }), undefined);
  t.is(encodeBatchFrame(AppendSessionRequestSchema, {}), undefined);
  const large = { entries: [{ handle: 1, batches: new Uint8Array(100_000) }] };
  const frame = encodeBatchFrame(FetchSessionResponseSchema, { frame: { case: 'batches', value: large } });
  const general = toBinary(
    FetchSessionResponseSchema,
    create(FetchSessionResponseSchema, { frame: { case: 'batches', value: large } }),
  );
  t.is(frame?.length, general.length);
});
