import { type Compression, compressions } from '@moldau/records';
import { usage } from './exit-code.ts';

/** The compression of that name. Throws a usage error. */
export function compressionOf(name: string | undefined): Compression {
  const found = compressions.find((compression) => compression === (name ?? 'none'));
  if (found === undefined) throw usage(`no compression ${JSON.stringify(name)}: use one of ${compressions.join(', ')}`);
  return found;
}
