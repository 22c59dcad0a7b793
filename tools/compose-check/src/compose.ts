import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));
const project = 'moldau-check';

/** The compose command of this machine, on our file, under a project name of its own. */
export class Compose {
  readonly #command: readonly string[];

  private constructor(command: readonly string[]) {
    this.#command = command;
  }

  /** Looks for one. Otherwise says what is missing. */
  static async find(): Promise<Compose | { readonly missing: string }> {
    const engine = await run('docker', ['info']).catch((error: Error) => error);
    if (engine instanceof Error) return { missing: `no Docker engine answers: ${engine.message.split('\n')[1] ?? ''}` };
    for (const command of [['docker', 'compose'], ['docker-compose']]) {
      const [program = '', ...args] = command;
      const found = await run(program, [...args, 'version']).catch(() => undefined);
      if (found !== undefined) return new Compose(command);
    }
    return { missing: 'neither docker compose nor docker-compose is installed' };
  }

  /** Runs a subcommand; what it says goes to stderr. Rejects when it fails. */
  async do(...args: string[]): Promise<void> {
    const [program = '', ...first] = this.#command;
    const child = spawn(program, [...first, '-p', project, ...args], { cwd: root, stdio: ['ignore', 2, 2] });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`${[...this.#command, ...args].join(' ')} ended with ${code}`);
  }

  /** All that the file names. */
  async services(): Promise<string[]> {
    const [program = '', ...first] = this.#command;
    const { stdout } = await run(program, [...first, 'config', '--services'], { cwd: root });
    return stdout.split('\n').filter((line) => line !== '');
  }

  /** Services by name with their health. */
  async health(): Promise<Map<string, string>> {
    const label = 'com.docker.compose';
    const { stdout } = await run('docker', [
      'ps',
      '--filter',
      `label=${label}.project=${project}`,
      '--format',
      `{{.Label "${label}.service"}}\t{{.Status}}`,
    ]);
    const lines = stdout.split('\n').filter((line) => line !== '');
    return new Map(lines.map((line) => line.split('\t') as [string, string]));
  }
}
