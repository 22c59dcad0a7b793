import type { Logger } from '@moldau/kernel';
import { isRefusal } from './answers.ts';
import type { EtcdMember } from './etcd-member.ts';

/** Who we are to etcd. */
export interface EtcdUser {
  readonly name: string;
  readonly password: string;
}

const nobody = Promise.resolve(undefined);

/** Logs in when somebody needs it, and keeps the token for all members: each of them knows the tokens of all. */
export class EtcdLogin {
  readonly #user: EtcdUser | undefined;
  readonly #logger: Logger;
  #token: Promise<string | undefined> | undefined;

  constructor(user: EtcdUser | undefined, logger: Logger) {
    this.#user = user;
    this.#logger = logger;
  }

  /** False: there is no user, and no token ever. */
  get isUsed(): boolean {
    return this.#user !== undefined;
  }

  /** What goes with a call to the member. `undefined`: nothing does. Rejects with STORE_UNAVAILABLE. */
  token(member: EtcdMember): Promise<string | undefined> {
    if (this.#user === undefined) return nobody;
    if (this.#token !== undefined) return this.#token;
    const token = this.#logIn(member, this.#user);
    token.catch(() => this.forget(token));
    this.#token = token;
    return token;
  }

  /**
   * This token, as `token` gave it, is not accepted any more: the next call logs in again. Of many callers who say so of
   * one token, only the first counts.
   */
  forget(token: Promise<string | undefined>): void {
    if (token === this.#token) this.#token = undefined;
  }

  /** Whichever token there is may be the reason for a refusal. */
  forgetAny(): void {
    this.#token = undefined;
  }

  async #logIn(member: EtcdMember, { name, password }: EtcdUser): Promise<string | undefined> {
    try {
      return (await member.auth.authenticate({ name, password })).token;
    } catch (error) {
      if (!isRefusal(error, 'login-unknown')) throw error;
      this.#logger.warn('etcd lets everybody in: its authentication is off, although a user is set', {
        member: member.address,
      });
      return undefined;
    }
  }
}
