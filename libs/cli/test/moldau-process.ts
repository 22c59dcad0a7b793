import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { type Io, run } from '../src/index.ts';

export const repository = fileURLToPath(new URL('../../..', import.meta.url));
export const bin = join(repository, 'apps/cli/bin/moldau.mjs');

/** What a command left behind. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Given {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Nothing of the developer's own settings, and no profile. */
function cleanEnvironment(extra: Given['env'] = {}): Record<string, string | undefined> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('MOLDAU_'));
  return { ...Object.fromEntries(own), XDG_CONFIG_HOME: join(tmpdir(), 'moldau-no-profiles'), ...extra };
}

const children = new Set<ChildProcess>();

// A test that fails in the middle leaves nobody behind.
test.after.always(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A child, and what it has said so far. */
export class Running {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly ended: Promise<Ended>;

  constructor(command: string, args: readonly string[], { env, cwd }: Given, detached = false) {
    this.child = spawn(command, args, { env: cleanEnvironment(env), cwd: cwd ?? repository, detached });
    children.add(this.child);
    this.child.once('exit', () => children.delete(this.child));
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    // A child that has read enough closes its end.
    this.child.stdin?.on('error', () => {});
    this.ended = once(this.child, 'close').then(([code]) => ({
      code: typeof code === 'number' ? code : -1,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  /** Resolves when what it has said matches. Throws when it ends before. */
  async says(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    const isOver = this.ended.then(() => 'over' as const);
    for (;;) {
      const match = pattern.exec(this[stream]);
      if (match !== null) return match;
      const source = this.child[stream];
      if (source === null) throw new Error(`there is no ${stream}`);
      const heard = await Promise.race([once(source, 'data'), isOver]);
      if (heard === 'over' && pattern.exec(this[stream]) === null) {
        throw new Error(`it ended without ${pattern} on ${stream}: ${this.stdout}${this.stderr}`);
      }
    }
  }
}

export const start = (args: readonly string[], given: Given = {}): Running =>
  new Running(process.execPath, [bin, ...args], given);

/** Runs the real bin to its end. */
export function moldau(args: readonly string[], given: Given = {}): Promise<Ended> {
  const running = start(args, given);
  running.child.stdin?.end(given.stdin ?? '');
  return running.ended;
}

/** A server in memory on a free port, ended with the test. */
export async function startServer(
  t: ExecutionContext,
  args: readonly string[] = ['--memory'],
): Promise<{ endpoint: string; server: Running }> {
  const server = start(['dev', '--port', '0', '--output', 'jsonl', ...args]);
  t.teardown(() => stopped(server));
  const [, endpoint = ''] = await server.says('stdout', /"endpoints":"([^"]+)"/);
  return { endpoint, server };
}

export async function stopped({ child, ended }: Running): Promise<Ended> {
  if (child.exitCode === null) child.kill('SIGTERM');
  return ended;
}

/** The same command in this process, with a terminal where there is none. */
export async function onTerminal(
  args: readonly string[],
  { stdin = '', env = {}, terminal = true }: Given & { readonly terminal?: boolean } = {},
): Promise<Ended> {
  const stdout = gathering(terminal);
  const stderr = gathering(terminal);
  const io: Io = {
    stdin: Object.assign(Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]), { isTTY: terminal }),
    stdout: stdout.stream,
    stderr: stderr.stream,
    env: cleanEnvironment(env),
    interrupted: new AbortController().signal,
  };
  const code = await run(args, io);
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

function gathering(isTTY: boolean): { stream: Writable & { readonly isTTY: boolean }; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { stream: Object.assign(stream, { isTTY }), text: () => Buffer.concat(chunks).toString() };
}

/** A folder that goes with the test. */
export function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'moldau-cli-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
