import type { Command } from 'commander';

/** The commands with their flags as Markdown: the second half of docs/cli.md. */
export function referenceOf(root: Command): string {
  const help = root.createHelp();
  const flags = (command: Command): string =>
    help
      .visibleOptions(command)
      .filter(({ long }) => long !== '--help')
      .map((option) => `| \`${cell(option.flags)}\` | ${cell(help.optionDescription(option))} |\n`)
      .join('');
  const table = (rows: string): string => (rows === '' ? '' : `\n| flag | |\n|---|---|\n${rows}`);
  const section = (command: Command, path: string): string => {
    const name = `${path} ${command.name()}`;
    if (command.commands.length > 0) return command.commands.map((child) => section(child, name)).join('');
    const words = command.registeredArguments
      .map((argument) => help.argumentTerm(argument))
      .map((word, index) => {
        const { required, variadic } = command.registeredArguments[index] ?? { required: true, variadic: false };
        const shown = variadic ? `${word}…` : word;
        return required ? `<${shown}>` : `[${shown}]`;
      });
    return `\n### \`${[name, ...words].join(' ')}\`\n\n${sentence(command.description())}\n${table(flags(command))}`;
  };
  return `## Flags of every command\n${table(flags(root))}\n## Commands\n${root.commands.map((child) => section(child, 'moldau')).join('')}`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
