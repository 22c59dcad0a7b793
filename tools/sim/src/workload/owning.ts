import { hasReason, type MoldauError } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { Violation } from '../oracle/violation.ts';
import type { Person, World } from '../world.ts';
import { asMoldau } from './producing.ts';

/** One partition, which nobody else writes to. Its records are looked at here. */
export const ownedTopic = 'scratch-owned';

const timeoutMs = 5_000;
const readingsMax = 40;

/**
 * Writers that take one partition over from each other, each under a fencing token of its own, which is above all before. What is
 * there is in the order of the tokens: once one has been told that it writes, nothing under a lower one comes behind that.
 */
export class Owners {
  readonly #world: World;
  #lastToken = 0n;
  /** By value, where it is. */
  readonly #acknowledged = new Map<string, bigint>();
  readonly #refused = new Set<string>();
  /** Where each token was acknowledged first. */
  readonly #from = new Map<bigint, bigint>();

  constructor(world: World) {
    this.#world = world;
  }

  /** One of them: takes over, writes for a while, or until it is fenced, and comes back under a new token. */
  async run(name: string): Promise<void> {
    const { random } = this.#world;
    const person = this.#world.person(name);
    while (this.#world.isBusy) {
      this.#lastToken += 1n;
      const token = this.#lastToken;
      if (random.chance(0.5)) await this.#appendUnder(person, token);
      else await this.#produceUnder(person, token);
      await this.#world.sleep(random.below(2_500), person);
    }
  }

  async #appendUnder(person: Person, fencingToken: bigint): Promise<void> {
    const { random } = this.#world;
    // One that does not hear that it is fenced tries wherever it can: at every leader that is to come.
    const isDeaf = random.chance(0.5);
    const numbers = 1 + random.below(isDeaf ? 60 : 15);
    for (let number = 0; number < numbers && this.#world.isBusy; number += 1) {
      const value = `token ${fencingToken} number ${number}`;
      const records = [{ value: Buffer.from(value), headers: [] }];
      try {
        const leader = this.#world.leaderOf(person, ownedTopic, 0);
        const request = { topic: ownedTopic, partition: 0, records, timeoutMs: 4_000, fencingToken };
        const { baseOffset } = await leader.unary(LogService.method.append, request, { timeoutMs });
        this.#ok(value, fencingToken, baseOffset);
      } catch (error) {
        if (error instanceof Violation) throw error;
        if (this.#failed(value, asMoldau(error)) && !isDeaf) return;
      }
      await this.#world.sleep(random.below(300), person);
    }
  }

  async #produceUnder(person: Person, fencingToken: bigint): Promise<void> {
    const { random } = this.#world;
    const deliveryTimeout = 1_000 + random.below(10_000);
    const producer = person.client.producer({ topic: ownedTopic, fencingToken, deliveryTimeout, linger: 0 });
    const sending: Promise<void>[] = [];
    const numbers = 1 + random.below(20);
    for (let number = 0; number < numbers; number += 1) {
      const value = `token ${fencingToken} number ${number}`;
      sending.push(
        producer.send({ value }).then(
          ({ offset }) => this.#ok(value, fencingToken, offset),
          (error: unknown) => void this.#failed(value, asMoldau(error)),
        ),
      );
      if (random.chance(0.5)) await this.#world.sleep(random.below(200), person);
    }
    await Promise.all(sending);
    await producer.close().catch(asMoldau);
  }

  #ok(value: string, token: bigint, offset: bigint | undefined): void {
    this.#world.trace.note(`${value} ok @${offset ?? '?'}`);
    if (offset === undefined) return;
    this.#acknowledged.set(value, offset);
    const from = this.#from.get(token);
    if (from === undefined || offset < from) this.#from.set(token, offset);
    for (const [higher, raised] of this.#from) {
      if (higher <= token || offset < raised) continue;
      throw new Violation('token', `${value} is at ${offset}, and token ${higher} was acknowledged at ${raised}`);
    }
  }

  /** Whether it is over with this token. */
  #failed(value: string, { reason, outcome }: MoldauError): boolean {
    this.#world.trace.note(`${value} ${outcome} ${reason}`);
    if (reason === 'INTERNAL') throw new Violation('bug', `${value} was answered INTERNAL`);
    if (outcome === 'NOT_WRITTEN') this.#refused.add(value);
    return reason === 'FENCED_TOKEN';
  }

  /** In the end everything that was acknowledged is there, and all of it in the order of the tokens. */
  async check(): Promise<void> {
    const found = await this.#readAll(this.#world.person('owned'));
    if (found === undefined) return;
    let last = 0n;
    for (const [value, offset] of found) {
      const token = BigInt(value.split(' ')[1] ?? 0);
      if (token < last) throw new Violation('token', `${value} is at ${offset}, behind a record of token ${last}`);
      if (this.#refused.has(value))
        throw new Violation('I16', `${value} was answered NOT_WRITTEN, and is at ${offset}`);
      last = token;
    }
    for (const [value, offset] of this.#acknowledged) {
      if (found.get(value) === offset) continue;
      throw new Violation(
        'lost',
        `${value} was acknowledged at ${offset}, and is at ${found.get(value) ?? 'no place'}`,
      );
    }
  }

  /** Undefined: damaged on purpose, where there is no other copy. */
  async #readAll(person: Person): Promise<Map<string, bigint> | undefined> {
    for (let tries = 0; tries < readingsMax; tries += 1) {
      try {
        const found = new Map<string, bigint>();
        for await (const { value, offset } of person.client.read(ownedTopic, { until: 'end' })) {
          if (value === null || found.has(value)) throw new Violation('I17', `${value} is there twice`);
          found.set(value, offset);
        }
        return found;
      } catch (error) {
        if (error instanceof Violation) throw error;
        if (hasReason(error, 'CORRUPT_DATA') && this.#world.replicas === 1) return undefined;
        asMoldau(error);
        await this.#world.sleep(500, person);
      }
    }
    throw new Violation('liveness', `${ownedTopic} can't be read in peace`);
  }
}
