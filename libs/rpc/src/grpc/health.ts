import type { Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { ServedService } from '../transport.ts';

/** `grpc.health.v1`: the whole server under the empty name, and each service under its own. */
export class Health {
  readonly #health = new HealthImplementation();
  readonly #names: readonly string[];

  constructor(server: Server, services: readonly ServedService[]) {
    this.#names = ['', ...services.map(({ service }) => service.typeName)];
    this.setServing(false);
    this.#health.addToServer(server);
  }

  /** Says of one service, or of all, whether it takes calls. */
  setServing(serving: boolean, service?: string): void {
    for (const name of service === undefined ? this.#names : [service]) {
      this.#health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
    }
  }
}
