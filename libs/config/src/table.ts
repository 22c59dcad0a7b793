import { type Config, environmentName, type Schema } from './config.ts';

/** The settings as a Markdown table, for the documentation. */
export function renderTable(schema: Schema): string {
  const rows = Object.entries(schema).map(([key, field]) => [
    `\`${key}\``,
    `\`${environmentName(key)}\``,
    field.type,
    field.defaultText === '' ? (field.required ? 'must be set' : '–') : `\`${field.defaultText}\``,
    field.bounds === '' ? '–' : field.bounds,
    field.doc,
  ]);
  const head = ['Setting', 'Variable', 'Type', 'Default', 'Bounds', 'Meaning'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |\n`).join('');
}

/** Every setting that was given, with its value and where it came from, for the log at start. Secrets are hidden. */
export function describeConfig<S extends Schema>(schema: S, config: Config<S>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => config.sources[key] !== 'default')
      .map(([key, { secret }]) => [key, `${secret ? '***' : String(config.values[key])} (${config.sources[key]})`]),
  );
}

const escaped = (cell: string): string => cell.replaceAll('|', '\\|').replaceAll('\n', ' ');
