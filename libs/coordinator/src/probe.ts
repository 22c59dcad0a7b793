import { hasReason, type Millis } from '@moldau/kernel';
import { ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';
import type { Dialer } from '@moldau/rpc';

/** What is at an address: a process that answers, none at all, or nothing that can be heard. */
export type Probed = 'answers' | 'refused' | 'silent';

/** Asks whoever listens there for a sign of life, over a connection of its own. Never rejects. */
export async function probe(dialer: Dialer, address: string, timeoutMs: Millis): Promise<Probed> {
  const channel = dialer.dial(address, 'control');
  try {
    await channel.unary(ServerInfoService.method.getServerInfo, {}, { timeoutMs });
    return 'answers';
  } catch (error) {
    if (hasReason(error, 'UNREACHABLE')) return error.fields.refused === undefined ? 'silent' : 'refused';
    // Whatever else it says, somebody said it.
    return hasReason(error, 'TIMED_OUT') ? 'silent' : 'answers';
  } finally {
    channel.close();
  }
}
