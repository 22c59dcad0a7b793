import { readFile } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';

/**
 * Names this boot of the machine: what was written and not synced survives as long as it stays the same. Where the system
 * does not tell, the boot time to the minute stands in: a clock that is set makes it another one, which is the safe side.
 */
export async function bootId(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    const bootedAt = Math.round((Date.now() / 1000 - uptime()) / 60);
    return `${hostname()}-${bootedAt}`;
  }
}
