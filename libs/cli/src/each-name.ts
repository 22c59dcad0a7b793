import { CommandFailed, exitCode, exitCodeOf } from './exit-code.ts';

/** Does it for each name. Where only some fail, the first failure ends the command as partly done. */
export async function eachName(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const name of names) {
    try {
      await work(name);
    } catch (error) {
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first === undefined) return;
  const messages = failures.map((error) => (error instanceof Error ? error.message : String(error)));
  throw new CommandFailed(failures.length < names.length ? exitCode.partly : exitCodeOf(first), messages.join('\n'));
}
