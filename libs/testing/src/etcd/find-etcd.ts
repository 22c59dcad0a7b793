import { onPath } from '../fetch/on-path.ts';
import { fetchEtcd } from './fetch-etcd.ts';

let found: Promise<string> | undefined;

/** The path of the program: that of the PATH, or the one in the cache, or else fetched. Rejects with the reason. */
export function findEtcd(): Promise<string> {
  found ??= find();
  return found;
}

async function find(): Promise<string> {
  return (await onPath('etcd')) ?? (await fetchEtcd());
}

/**
 * Whether tests can have an etcd. Where they can't, says why; under `CI` that is a failure. A test file asks it once:
 * `const withEtcd = (await hasEtcd()) ? test : test.skip`.
 */
export async function hasEtcd(): Promise<boolean> {
  try {
    await findEtcd();
    return true;
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim() : String(error);
    const problem = `there is no etcd on the PATH, and it can't be fetched: install it. ${reason}`;
    if (process.env.CI === 'true') throw new Error(problem, { cause: error });
    console.log(`tests with etcd are skipped: ${problem}`);
    return false;
  }
}
