import { MoldauError } from '@moldau/kernel';
import { storeUnavailable } from '@moldau/metadata';

/** How a call ended that brought no answer: the code of gRPC, and what the member or the library says. */
export interface CallFailure {
  readonly code: number;
  readonly details: string;
}

/** What etcd refuses to do. `other`: only an operator can do something about it. */
export type RefusalKind =
  | 'compacted'
  | 'lease-gone'
  | 'answer-too-large'
  | 'login-needed'
  | 'login-unknown'
  | 'denied'
  | 'other';

/** The member has answered, and nothing was changed: the same request does not get further without somebody's doing. */
export class EtcdRefusal extends MoldauError<'STORE_UNAVAILABLE'> {
  readonly kind: RefusalKind;

  constructor(kind: RefusalKind, member: string, problem: string, cause: unknown) {
    super('STORE_UNAVAILABLE', `etcd at ${member} ${problem}`, {}, { cause });
    this.kind = kind;
  }
}

/** True for a refusal of this kind. */
export const isRefusal = (error: unknown, kind: RefusalKind): boolean =>
  error instanceof EtcdRefusal && error.kind === kind;

// etcd names most refusals by their text alone: many share a code.
const refusals: readonly (readonly [pattern: RegExp, kind: RefusalKind, problem: string])[] = [
  [/required revision has been compacted/, 'compacted', 'has compacted that revision'],
  [
    /required revision is a future revision/,
    'other',
    'has not come to that revision: if it was restored from a backup, restore it again with a revision bump',
  ],
  [/requested lease not found/, 'lease-gone', 'knows no such lease'],
  [/^Received message larger than max/, 'answer-too-large', 'answers more than this process takes at once'],
  [
    /database space exceeded/,
    'other',
    'has used up its space quota and takes no writes: compact and defragment it, or raise --quota-backend-bytes, and then run `etcdctl alarm disarm`',
  ],
  [
    /corrupt cluster/,
    'other',
    'has found that its members differ, and takes no requests: replace the damaged member, and then run `etcdctl alarm disarm`',
  ],
  [
    /request is too large|grpc: received message larger than max/,
    'other',
    'takes only smaller requests: start it with --max-request-bytes 1572864 or more',
  ],
  [/too many operations in txn/, 'other', 'takes only shorter transactions: start it with --max-txn-ops 128 or more'],
  [/too many requests/, 'other', 'is behind with its work and takes no more: give it a faster disk'],
  [/invalid user ID or password/, 'other', 'does not accept the user name or the password: check both'],
  [
    /user name is empty/,
    'login-needed',
    'asks who we are: set the name and the password of a user with access to /moldau/',
  ],
  [
    /permission denied/,
    'denied',
    'denies our user what it asks for: grant it a role that may read and write the prefix /moldau/, and the role root, without which newer ones neither compact nor tell their size',
  ],
  [/invalid auth token|revision of auth store is old/, 'login-needed', 'does not know our login any more'],
  [/authentication is not enabled/, 'login-unknown', 'has no authentication'],
];

/** What a call failed with. Everything that is not known as a refusal leaves the outcome open. */
export function failureOf(member: string, { code, details }: CallFailure, cause: unknown): MoldauError {
  const known = refusals.find(([pattern]) => pattern.test(details));
  if (known !== undefined) return new EtcdRefusal(known[1], member, known[2], cause);
  if (code === unimplemented) {
    return new EtcdRefusal('other', member, `is no etcd 3.4 or newer: check the address (${details})`, cause);
  }
  return storeUnavailable(`etcd at ${member}: ${details}`, cause);
}

const unimplemented = 12;
