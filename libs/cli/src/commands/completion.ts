import type { Command } from 'commander';
import { usage } from '../exit-code.ts';
import { type Io, write } from '../io.ts';

/** One place in a command line: the words that lead there, and what may come next. */
interface Place {
  readonly path: readonly string[];
  readonly commands: readonly string[];
  readonly flags: readonly string[];
}

/** `moldau completion`: a script for a shell, made from the commands as they are. */
export async function completion(shell: string, root: Command, io: Io): Promise<void> {
  const places = placesOf(root, []);
  switch (shell) {
    case 'bash':
      return write(io.stdout, bashScript(places));
    case 'zsh':
      return write(io.stdout, `autoload -U +X bashcompinit && bashcompinit\n${bashScript(places)}`);
    case 'fish':
      return write(io.stdout, fishScript(places));
    default:
      throw usage(`no completion for ${JSON.stringify(shell)}: there is bash, zsh and fish`);
  }
}

function placesOf(command: Command, path: readonly string[]): Place[] {
  const flagsOf = ({ options }: Command): string[] => options.flatMap(({ long }) => long ?? []);
  const inherited = path.length === 0 ? [] : flagsOf(rootOf(command));
  const commands = command.commands.map((child) => child.name());
  const place = { path, commands, flags: [...flagsOf(command), ...inherited, '--help'] };
  return [place, ...command.commands.flatMap((child) => placesOf(child, [...path, child.name()]))];
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

function bashScript(places: readonly Place[]): string {
  const cases = places.map(
    ({ path, commands, flags }) =>
      `    '${path.join(' ')}') commands='${commands.join(' ')}'; flags='${flags.join(' ')}' ;;\n`,
  );
  const known = places.flatMap(({ path }) => (path.length === 0 ? [] : [`'${path.join(' ')}'`]));
  return `_moldau() {
  local word path='' next commands flags current="\${COMP_WORDS[COMP_CWORD]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in ${known.join('|')}) path="$next" ;; esac
  done
  case "$path" in
${cases.join('')}  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$commands" -- "$current")) ;;
  esac
}
complete -o default -F _moldau moldau
`;
}

function fishScript(places: readonly Place[]): string {
  const lines = places.flatMap(({ path, commands, flags }) => {
    const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const unseen = commands.length === 0 ? [] : [`not __fish_seen_subcommand_from ${commands.join(' ')}`];
    const condition = [...seen, ...unseen].join('; and ');
    const when = condition === '' ? '' : ` -n '${condition}'`;
    const words = commands.length === 0 ? [] : [`complete -c moldau -f${when} -a '${commands.join(' ')}'`];
    return [...words, ...flags.map((flag) => `complete -c moldau${when} -l ${flag.slice(2)}`)];
  });
  return `${lines.join('\n')}\n`;
}
