import { MoldauError } from '@moldau/kernel';
import type { MethodPolicy } from './policy.ts';
import type { Principal } from './transport.ts';

/** What a caller shows of itself. */
export interface Credentials {
  /** The bearer token of the `authorization` header. */
  readonly token: string | undefined;
  /** The common name of a client certificate that was verified. */
  readonly certificateName: string | undefined;
}

/** Says who shows these credentials: `anonymous` for none. Throws UNAUTHENTICATED for bad ones. */
export type Authenticate = (credentials: Credentials) => Principal;

const anonymous: Principal = { kind: 'anonymous', name: 'anonymous' };

/** Every verified certificate is a node's: the certificate authority is the cluster's own. */
export const nodesByCertificate: Authenticate = ({ certificateName }) =>
  certificateName === undefined ? anonymous : { kind: 'node', name: certificateName };

/** Names the caller and checks the policy. Without `authenticate` everyone may do everything: for trusted networks only. */
export function admit(
  policy: MethodPolicy,
  method: string,
  credentials: Credentials,
  authenticate: Authenticate | undefined,
): Principal {
  if (authenticate === undefined) return anonymous;
  const principal = authenticate(credentials);
  if (policy.access === 'public' || principal.kind === 'node') return principal;
  if (principal.kind === 'anonymous') {
    throw new MoldauError('UNAUTHENTICATED', `${method} needs credentials: send a token or a client certificate`);
  }
  if (policy.access === 'node') {
    throw new MoldauError('PERMISSION_DENIED', `${method} is for nodes of the cluster, not for ${principal.name}`, {
      principal: principal.name,
      action: method,
    });
  }
  return principal;
}
