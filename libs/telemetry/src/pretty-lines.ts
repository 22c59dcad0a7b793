import type { DestinationStream } from 'pino';

const marks: Readonly<Record<string, readonly [mark: string, color: number]>> = {
  debug: ['debug', 90],
  info: ['info ', 36],
  warn: ['warn ', 33],
  error: ['error', 31],
};

/** Turns JSON lines into short ones for people: `12:30:01 warn  the disk is nearly full  free=12MiB`. */
export class PrettyLines implements DestinationStream {
  readonly #target: DestinationStream;
  readonly #colors: boolean;

  constructor(target: DestinationStream, colors: boolean) {
    this.#target = target;
    this.#colors = colors;
  }

  write(line: string): void {
    const { time, level, message, error, ...fields } = JSON.parse(line) as Record<string, unknown>;
    const [mark, color] = marks[String(level)] ?? [String(level), 0];
    const facts = Object.entries(fields).map(([name, value]) => this.#painted(`${name}=${shown(value)}`, 90));
    const head = [this.#painted(String(time).slice(11, 19), 90), this.#painted(mark, color), String(message)];
    this.#target.write(`${[head.join(' '), ...facts].join('  ')}\n${stackOf(error)}`);
  }

  #painted(text: string, color: number): string {
    return this.#colors ? `\u001b[${color}m${text}\u001b[39m` : text;
  }
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function stackOf(error: unknown): string {
  if (error === undefined) return '';
  const stack = typeof error === 'object' && error !== null && 'stack' in error ? String(error.stack) : shown(error);
  return `${stack.replace(/^/gm, '    ')}\n`;
}
