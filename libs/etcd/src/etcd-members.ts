import { assert, type Logger, StartError, type Timers } from '@moldau/kernel';
import { EtcdLogin, type EtcdUser } from './etcd-login.ts';
import { EtcdMember } from './etcd-member.ts';

/** Where etcd is, and who we are to it. */
export interface EtcdOptions {
  /** The addresses of the members, `host:port` each; with `https://` before all of them they are trusted as `tls` says. */
  readonly hosts: readonly string[];
  readonly user?: EtcdUser | undefined;
  readonly tls?: EtcdTls | undefined;
}

/** How we trust the members and show ourselves, PEM. Without it, `https` addresses are trusted by the system's authorities. */
export interface EtcdTls {
  readonly ca: Buffer;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

/** The members, of which one is asked until it does not answer; then the next is. */
export class EtcdMembers {
  readonly #members: readonly EtcdMember[];
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #place = 0;

  /** Throws StartError. */
  constructor(options: EtcdOptions, ports: { timers: Timers; logger: Logger }) {
    checkHosts(options);
    this.#logger = ports.logger;
    const login = new EtcdLogin(options.user, ports.logger);
    const credentials = credentialsOf(options.tls);
    this.#members = options.hosts.map(
      (host) =>
        new EtcdMember(host, credentials, {
          timers: ports.timers,
          login,
          closing: this.#closing.signal,
          onSilent: (member, problem) => this.#leave(member, problem),
        }),
    );
  }

  /** The one to ask now. */
  get current(): EtcdMember {
    assert(!this.#closing.signal.aborted, 'a closed store is not used');
    return this.#members[this.#place] as EtcdMember;
  }

  /** Ends every call that waits for an answer. */
  close(): void {
    this.#closing.abort();
    for (const member of this.#members) member.close();
  }

  #leave(member: EtcdMember, problem: string): void {
    if (this.#closing.signal.aborted || this.#members.length === 1 || member !== this.current) return;
    this.#place = (this.#place + 1) % this.#members.length;
    this.#logger.warn('a member of etcd does not answer: asking the next one', {
      member: member.address,
      problem,
      next: this.current.address,
    });
  }
}

function checkHosts({ hosts, tls }: EtcdOptions): void {
  if (hosts.length === 0) throw new StartError('no address of etcd is given: name at least one, as host:2379');
  const secure = hosts.filter((host) => host.startsWith('https://')).length;
  if (secure !== 0 && secure !== hosts.length) {
    throw new StartError(`some addresses of etcd begin with https:// and some do not: ${hosts.join(', ')}`);
  }
  if (tls !== undefined && secure === 0) {
    throw new StartError(`certificates for etcd are given, so its addresses begin with https://: ${hosts.join(', ')}`);
  }
  if (tls !== undefined && (tls.cert === undefined) !== (tls.key === undefined)) {
    throw new StartError('a client certificate for etcd and its key come together: give both, or none');
  }
}

const credentialsOf = (tls: EtcdTls | undefined) =>
  tls === undefined
    ? undefined
    : {
        rootCertificate: tls.ca,
        ...(tls.key === undefined ? {} : { privateKey: tls.key }),
        ...(tls.cert === undefined ? {} : { certChain: tls.cert }),
      };
