import { StartError } from '@moldau/kernel';
import { CommanderError } from 'commander';
import { CommandFailed, type ExitCode, exitCode, exitCodeOf } from './exit-code.ts';
import type { Io } from './io.ts';
import { program } from './program.ts';

/** Runs one command; resolves with what the process shall end with. Never throws. */
export async function run(args: readonly string[], io: Io): Promise<ExitCode> {
  const commands = program(io)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    });
  for (const command of commands.commands) command.copyInheritedSettings(commands);
  try {
    await commands.parseAsync(args, { from: 'user' });
    return exitCode.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    io.stderr.write(`moldau: ${explain(error)}\n`);
    return exitCodeOf(error);
  }
}

function explain(error: unknown): string {
  if (error instanceof StartError || error instanceof CommandFailed) return error.message;
  return error instanceof Error ? error.message : String(error);
}
