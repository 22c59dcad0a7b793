/** What an error says about the write that it answers. `UNKNOWN`: it may be there, now or later. */
export type Outcome = 'NOT_WRITTEN' | 'UNKNOWN' | 'WRITTEN' | 'NOT_APPLICABLE';

type Rule = readonly [retriable: boolean, outcome: Outcome];

/**
 * Every reason for which Moldau refuses or fails a request, with what a client may conclude.
 * The same table stands in `proto/moldau/errors/v1/errors.proto`; a test of `rpc` holds them equal.
 */
export const errorRules = {
  NOT_LEADER: [true, 'NOT_WRITTEN'],
  FENCED_EPOCH: [false, 'NOT_WRITTEN'],
  FENCED_TOKEN: [false, 'NOT_WRITTEN'],
  PRODUCER_FENCED: [false, 'NOT_WRITTEN'],
  OUT_OF_ORDER_SEQUENCE: [false, 'NOT_WRITTEN'],
  EXPECTED_OFFSET_MISMATCH: [false, 'NOT_WRITTEN'],
  DUPLICATE_SEQUENCE: [false, 'WRITTEN'],
  UNKNOWN_PRODUCER: [false, 'NOT_WRITTEN'],
  NOT_ENOUGH_REPLICAS: [true, 'NOT_WRITTEN'],
  LEADERSHIP_LOST: [true, 'UNKNOWN'],
  TIMED_OUT: [true, 'UNKNOWN'],
  HANDLE_CLOSED: [true, 'NOT_WRITTEN'],
  STORAGE_FAILED: [true, 'UNKNOWN'],
  DISK_FULL: [true, 'NOT_WRITTEN'],
  OVERLOADED: [true, 'NOT_WRITTEN'],
  NOT_SERVING: [true, 'NOT_WRITTEN'],
  UNREACHABLE: [true, 'UNKNOWN'],
  OFFSET_OUT_OF_RANGE: [false, 'NOT_APPLICABLE'],
  OFFSET_NOT_AVAILABLE: [true, 'NOT_APPLICABLE'],
  CORRUPT_DATA: [false, 'NOT_APPLICABLE'],
  DIVERGED: [false, 'NOT_APPLICABLE'],
  UNKNOWN_TOPIC: [false, 'NOT_WRITTEN'],
  UNKNOWN_PARTITION: [false, 'NOT_WRITTEN'],
  TOPIC_EXISTS: [false, 'NOT_APPLICABLE'],
  INVALID_REQUEST: [false, 'NOT_WRITTEN'],
  INVALID_CONFIG: [false, 'NOT_APPLICABLE'],
  RECORD_TOO_LARGE: [false, 'NOT_WRITTEN'],
  CORRUPT_BATCH: [false, 'NOT_WRITTEN'],
  NOT_ENOUGH_NODES: [false, 'NOT_APPLICABLE'],
  STALE_NODE: [false, 'NOT_APPLICABLE'],
  WRONG_CLUSTER: [false, 'NOT_APPLICABLE'],
  STORE_UNAVAILABLE: [true, 'UNKNOWN'],
  CONFLICT: [true, 'NOT_APPLICABLE'],
  UNAUTHENTICATED: [false, 'NOT_WRITTEN'],
  PERMISSION_DENIED: [false, 'NOT_WRITTEN'],
  UNIMPLEMENTED: [false, 'NOT_WRITTEN'],
  INTERNAL: [false, 'UNKNOWN'],
  UNKNOWN_GROUP: [false, 'NOT_WRITTEN'],
  UNKNOWN_MEMBER: [false, 'NOT_WRITTEN'],
  FENCED_MEMBER: [false, 'NOT_WRITTEN'],
  FENCED_INSTANCE: [false, 'NOT_WRITTEN'],
  STALE_MEMBER_EPOCH: [false, 'NOT_WRITTEN'],
  GROUP_NOT_EMPTY: [false, 'NOT_WRITTEN'],
  GROUP_FULL: [true, 'NOT_WRITTEN'],
  INVALID_REGEX: [false, 'NOT_WRITTEN'],
  NOT_COORDINATOR: [true, 'NOT_WRITTEN'],
} as const satisfies Record<string, Rule>;

/** A stable code: the name of an `ErrorReason` of the contract without its prefix. */
export type ErrorReason = keyof typeof errorRules;
