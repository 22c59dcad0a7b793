import { type Command, CommanderError } from 'commander';
import { type ExitCode, exitCode, exitCodeOf } from './exit-code.ts';
import type { Io } from './io.ts';
import { program } from './program.ts';

/** Runs one command; resolves with what the process shall end with. Never throws. */
export async function run(args: readonly string[], io: Io): Promise<ExitCode> {
  const commands = program(io);
  takeOver(commands, io);
  try {
    await commands.parseAsync(args, { from: 'user' });
    return exitCode.ok;
  } catch (error) {
    // The parser has said what is wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    const message = error instanceof Error ? error.message : String(error);
    if (message !== '') io.stderr.write(`moldau: ${message}\n`);
    return exitCodeOf(error);
  }
}

/** Every command writes where it is told to, and never ends the process. */
function takeOver(command: Command, io: Io): void {
  command
    .exitOverride()
    .showHelpAfterError(`(${nameOf(command)} --help shows more)`)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'moldau: ')),
    });
  for (const child of command.commands) takeOver(child, io);
}

const nameOf = (command: Command): string =>
  command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
