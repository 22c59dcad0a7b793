import { getOption } from '@bufbuild/protobuf';
import { assert, type ErrorReason, errorRules, type Outcome } from '@moldau/kernel';
import {
  ErrorReasonSchema,
  type ErrorRule,
  rule,
  Outcome as WireOutcome,
  ErrorReason as WireReason,
} from '@moldau/proto/moldau/errors/v1/errors_pb';

// The contract binds every reason to its gRPC code by an option of the enum value. It is read here, once, at start.

/** The contract has every reason of the kernel, or this does not compile. The reverse is a test. */
const numbers: Readonly<Record<ErrorReason, WireReason>> = WireReason;

const rules = new Map<number, ErrorRule>(
  ErrorReasonSchema.values.map((value) => [value.number, getOption(value, rule)] as const),
);

/** Every reason that the kernel knows. */
export const allReasons = Object.keys(errorRules).filter((name): name is ErrorReason => name in errorRules);

const reasonsByNumber = new Map<number, ErrorReason>(allReasons.map((reason) => [numbers[reason], reason]));

/** The reason's number in the contract. */
export const reasonNumber = (reason: ErrorReason): WireReason => numbers[reason];

/** The reason of that number, or undefined when a newer peer sent one that this process does not know. */
export const reasonOfNumber = (number: number): ErrorReason | undefined => reasonsByNumber.get(number);

/** The reason of that name, as ErrorInfo carries it. */
export const reasonOfName = (name: string): ErrorReason | undefined => allReasons.find((reason) => reason === name);

/** What the contract says of a reason. */
export function ruleOf(reason: ErrorReason): ErrorRule {
  const found = rules.get(numbers[reason]);
  assert(found !== undefined, `the contract has a rule for ${reason}`);
  return found;
}

/** The contract's number of an outcome. */
export const outcomeNumber = (outcome: Outcome): WireOutcome => WireOutcome[outcome];
