import type { Revision } from '@moldau/kernel';
import type { StoreChange, StoreEvent } from '@moldau/metadata';
import type { IEvent } from 'etcd3';
import { toEvent, toRevision } from './requests.ts';

/**
 * Makes one change of everything that one revision did. etcd sends the events of a revision in one piece, together with
 * other revisions or alone; only a piece that it calls a fragment may end in the middle of one.
 */
export class ChangeAssembler {
  /** At most one revision, which is no larger than the request that made it. */
  #open: { readonly revision: Revision; readonly events: StoreEvent[] } | undefined;

  /** The changes that are complete with these events. `moreToCome`: the last of them may not be. */
  add(events: readonly IEvent[], moreToCome: boolean): StoreChange[] {
    const complete: StoreChange[] = [];
    for (const event of events) {
      const revision = toRevision(event.kv.mod_revision);
      if (this.#open?.revision !== revision) {
        if (this.#open !== undefined) complete.push(this.#open);
        this.#open = { revision, events: [] };
      }
      this.#open.events.push(toEvent(event));
    }
    if (moreToCome || this.#open === undefined) return complete;
    complete.push(this.#open);
    this.#open = undefined;
    return complete;
  }
}
