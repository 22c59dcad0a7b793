import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const contract = fileURLToPath(new URL('../../../proto', import.meta.url));
const scriptOf = (name: string): string => fileURLToPath(new URL(`../python/${name}.py`, import.meta.url));

/** A record as the script prints it. */
export type Line = string;

/** A Python that has gRPC, and a generator of its stubs. */
export interface Python {
  /** Generates the stubs of the whole contract into a folder. */
  generate(folder: string): Promise<void>;
  /** Creates the topic, writes and reads; or only reads. Resolves with a line for each record that was read. */
  produceAndConsume(address: string, stubs: string, topic: string, options?: { onlyRead: boolean }): Promise<Line[]>;
  /** Consumes so many records as a member of a group, and commits them. Resolves with a line for each. */
  consumeInGroup(address: string, stubs: string, at: { topic: string; group: string; count: number }): Promise<Line[]>;
}

/** Looks for one. Otherwise says what is missing. */
export async function findPython(): Promise<Python | { readonly missing: string }> {
  const python = await firstThat(['python3', '/usr/bin/python3'], (program) => run(program, ['-c', 'import grpc']));
  if (python === undefined) return { missing: 'Python 3 with grpcio is not installed' };
  const generator = await generatorFor(python);
  if (generator === undefined) {
    return { missing: 'neither grpcio-tools nor protoc with grpc_python_plugin is installed' };
  }
  const linesOf = async (script: string, args: readonly string[]): Promise<Line[]> => {
    const options = { maxBuffer: 64 * 1024 * 1024, timeout: 120_000 };
    const { stdout } = await run(python, [scriptOf(script), ...args], options);
    return stdout.split('\n').filter((line) => line !== '');
  };
  return {
    async generate(folder) {
      const files = globSync('**/*.proto', { cwd: contract });
      const [program, args] = generator;
      await run(program, [...args, '-I', contract, `--python_out=${folder}`, `--grpc_python_out=${folder}`, ...files], {
        cwd: contract,
      });
    },
    produceAndConsume: (address, stubs, topic, { onlyRead } = { onlyRead: false }) =>
      linesOf('produce_and_consume', [address, stubs, topic, ...(onlyRead ? ['--only-read'] : [])]),
    consumeInGroup: (address, stubs, { topic, group, count }) =>
      linesOf('consume_in_group', [address, stubs, topic, group, String(count)]),
  };
}

/** One that knows `optional`: the compiler in old packages of grpcio-tools does not. */
async function generatorFor(python: string): Promise<readonly [program: string, args: string[]] | undefined> {
  const version = await run(python, ['-m', 'grpc_tools.protoc', '--version']).catch(() => undefined);
  const major = Number(/libprotoc (\d+)/.exec(version?.stdout ?? '')?.[1] ?? 0);
  if (major >= 4) return [python, ['-m', 'grpc_tools.protoc']];
  const plugin = await run('sh', ['-c', 'command -v protoc > /dev/null && command -v grpc_python_plugin']).catch(
    () => undefined,
  );
  if (plugin === undefined) return undefined;
  return ['protoc', [`--plugin=protoc-gen-grpc_python=${plugin.stdout.trim()}`]];
}

async function firstThat(programs: readonly string[], works: (program: string) => Promise<unknown>) {
  for (const program of programs) {
    const found = await works(program).then(
      () => true,
      () => false,
    );
    if (found) return program;
  }
  return undefined;
}
