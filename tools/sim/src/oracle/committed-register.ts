import { Violation } from './violation.ts';

/** What one writer wanted to be committed to one partition. */
export interface Commit {
  /** What tells it from others in an answer. */
  readonly text: string;
  /** Counts the commits that were begun. */
  readonly number: number;
  state: 'pending' | 'ok' | 'refused' | 'unknown';
}

/** One committed position with one writer, who asks one thing after the other: whoever asks is answered with the last one, or a later one. */
export class CommittedRegister {
  readonly #name: string;
  readonly #byText = new Map<string, Commit[]>();
  #last: Commit | undefined;
  #count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** The last commit that was acknowledged. */
  get acknowledged(): Commit | undefined {
    return this.#last;
  }

  begin(text: string): Commit {
    this.#count += 1;
    const commit: Commit = { text, number: this.#count, state: 'pending' };
    this.#byText.set(text, [...(this.#byText.get(text) ?? []), commit]);
    return commit;
  }

  ok(commit: Commit): void {
    commit.state = 'ok';
    this.#last = commit;
  }

  /** `last`: what was acknowledged when the question was asked; `text`: the answer, `undefined`: nothing is committed. */
  answered(last: Commit | undefined, text: string | undefined): void {
    if (text === undefined) {
      if (last === undefined) return;
      throw new Violation('I19', `nothing is said to be committed to ${this.#name}, and ${last.text} was`);
    }
    const all = this.#byText.get(text) ?? [];
    const found = all.findLast(({ state }) => state !== 'refused');
    if (all.length === 0) {
      throw new Violation('I19', `${this.#name} is said to stand at ${text}, which nobody committed`);
    }
    if (found === undefined) {
      throw new Violation('I16', `${text} was answered NOT_WRITTEN, and is committed to ${this.#name}`);
    }
    // An attempt that nobody knows the end of may be carried out at any time.
    const mayBeLate = all.some(({ state }) => state === 'unknown');
    if (mayBeLate || last === undefined || found.number >= last.number) return;
    throw new Violation('I19', `${this.#name} is said to stand at ${text}, and ${last.text} was committed behind that`);
  }
}
