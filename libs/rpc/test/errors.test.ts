import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { hostRandom } from '@moldau/host';
import { AssertionFailed, type ErrorReason, errorRules, MoldauError, silentLogger } from '@moldau/kernel';
import { Code } from '@moldau/proto/google/rpc/code_pb';
import { StatusSchema } from '@moldau/proto/google/rpc/status_pb';
import { ErrorSchema, ErrorReason as WireReason } from '@moldau/proto/moldau/errors/v1/errors_pb';
import test from 'ava';
import fc from 'fast-check';
import { fromStatus, fromWireError, toStatus, toWireError } from '../src/errors.ts';
import { allReasons, outcomeNumber, reasonOfNumber, ruleOf } from '../src/reason-rules.ts';
import { sealError } from '../src/seal.ts';

const situation = { address: 'b:1', method: 'x.S/M', sentLarge: false };

test('the contract and the kernel say the same of every reason', (t) => {
  for (const reason of allReasons) {
    const [retriable, outcome] = errorRules[reason];
    const rule = ruleOf(reason);
    t.is(rule.retriable, retriable, reason);
    t.is(rule.outcome, outcomeNumber(outcome), reason);
    t.not(rule.code, Code.OK, reason);
  }
  const contract = Object.keys(WireReason).filter((name) => name !== 'UNSPECIFIED');
  t.deepEqual(contract.toSorted(), allReasons.toSorted());
  for (const [name, number] of Object.entries(WireReason)) {
    t.is(reasonOfNumber(number), name === 'UNSPECIFIED' ? undefined : (name as ErrorReason));
  }
});

test('every error survives both wires', (t) => {
  const someError = fc.record({
    reason: fc.constantFrom(...allReasons),
    message: fc.string({ maxLength: 300, unit: 'grapheme' }),
    fields: fc.dictionary(
      fc.constantFrom('field', 'problem', 'leader', 'offset'),
      fc.oneof(fc.nat(), fc.bigInt(), fc.string({ maxLength: 80 })),
    ),
    retryAfterMs: fc.option(fc.nat({ max: 1e9 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(someError, ({ reason, message, fields, retryAfterMs }) => {
      const error = new MoldauError(reason, message.toWellFormed(), fields, { retryAfterMs });
      const status = toStatus(error);
      t.is(status.code, ruleOf(reason).code);
      for (const back of [fromStatus(status, situation), fromWireError(inBand(error))]) {
        t.is(back.reason, reason);
        t.is(back.message, error.message);
        t.is(back.retryAfterMs, retryAfterMs);
        t.deepEqual(
          back.fields,
          Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value).toWellFormed()])),
        );
      }
    }),
    { seed: 7, numRuns: 300 },
  );
});

const inBand = (error: unknown) =>
  fromBinary(ErrorSchema, toBinary(ErrorSchema, create(ErrorSchema, toWireError(error))));

test('a bad field travels as BadRequest too', (t) => {
  const { details } = toStatus(
    new MoldauError('INVALID_REQUEST', 'partition is negative', { field: 'partition', problem: 'is negative' }),
  );
  const status = fromBinary(StatusSchema, details ?? new Uint8Array());
  t.deepEqual(
    status.details.map(({ typeUrl }) => typeUrl),
    ['type.googleapis.com/google.rpc.ErrorInfo', 'type.googleapis.com/google.rpc.BadRequest'],
  );
});

test('what is no MoldauError never leaves, not even unsealed', (t) => {
  const secret = new Error('password=hunter2');
  t.is(inBand(secret).reason, WireReason.INTERNAL);
  t.notRegex(JSON.stringify([toWireError(secret), toStatus(secret)]), /hunter2/);
  const lines: object[] = [];
  const assertions: unknown[] = [];
  const logger = { ...silentLogger, error: (_: string, fields: object = {}) => lines.push(fields) };
  const ports = { logger, random: hostRandom, onAssertion: (error: unknown) => assertions.push(error) };
  const sealed = sealError(secret, 'here', ports);
  t.is(sealed.reason, 'INTERNAL');
  t.like(lines[0], { id: sealed.fields.id, where: 'here', error: secret });
  t.deepEqual(assertions, []);
  const bug = new AssertionFailed('impossible');
  sealError(bug, 'here', ports);
  t.deepEqual(assertions, [bug]);
  const typed = new MoldauError('CONFLICT', 'again');
  t.is(sealError(typed, 'here', ports), typed);
});

test('a reason of a newer peer keeps its text', (t) => {
  const error = fromWireError(
    fromBinary(ErrorSchema, new Uint8Array([8, 0x8f, 0x4e, 18, 7, ...Buffer.from('too new')])),
  );
  t.is(error.reason, 'INTERNAL');
  t.regex(error.message, /9999.*too new/);
});

const foreign: readonly [number, string, boolean, ErrorReason][] = [
  [Code.CANCELLED, 'Call cancelled', false, 'UNREACHABLE'],
  [Code.UNKNOWN, 'who knows', false, 'INTERNAL'],
  [Code.INVALID_ARGUMENT, 'a proxy', false, 'INTERNAL'],
  [Code.DEADLINE_EXCEEDED, 'Deadline exceeded', false, 'TIMED_OUT'],
  [Code.UNAVAILABLE, 'No connection established', false, 'UNREACHABLE'],
  [Code.UNIMPLEMENTED, 'does not implement', false, 'UNIMPLEMENTED'],
  [Code.UNAUTHENTICATED, '401', false, 'UNAUTHENTICATED'],
  [Code.PERMISSION_DENIED, '403', false, 'PERMISSION_DENIED'],
  [Code.RESOURCE_EXHAUSTED, 'Received message larger than max (9 vs 4)', true, 'INVALID_REQUEST'],
  [Code.RESOURCE_EXHAUSTED, 'Received message larger than max (9 vs 4)', false, 'INTERNAL'],
  [Code.RESOURCE_EXHAUSTED, 'Bandwidth exhausted', false, 'UNREACHABLE'],
  [Code.INTERNAL, 'Received RST_STREAM with code 2', false, 'UNREACHABLE'],
  [Code.INTERNAL, 'Error deserializing', false, 'INTERNAL'],
];

for (const [code, message, sentLarge, reason] of foreign) {
  test(`a foreign status ${code} (${message}${sentLarge ? ', large' : ''}) is ${reason}`, (t) => {
    const error = fromStatus({ code, message }, { ...situation, sentLarge });
    t.is(error.reason, reason);
    t.regex(error.message, /b:1/);
    const nonsense = fromStatus({ code, message, details: new Uint8Array([1, 2, 3]) }, { ...situation, sentLarge });
    t.is(nonsense.reason, reason);
  });
}
