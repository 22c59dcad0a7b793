import { type CancelTimer, hasReason, type Millis, type Timers } from '@moldau/kernel';
import { ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';
import type { Channel } from '@moldau/rpc';

const askAfterMs: Millis = 2_000;
const answerWithinMs: Millis = 2_000;

/**
 * Asks now and then whether the process behind a channel lives, while something else is asked of it that may take long.
 * A process that stands still keeps its connections: nothing but an answer tells it from a busy one. `dead` is called at
 * most once.
 */
export function watchForLife(channel: Channel, timers: Timers, dead: () => void): CancelTimer {
  let isOver = false;
  let cancel = timers.after(askAfterMs, ask);
  function ask(): void {
    channel.unary(ServerInfoService.method.getServerInfo, {}, { timeoutMs: answerWithinMs }).then(
      () => again(),
      // Any error but silence was said by somebody.
      (error: unknown) => (hasReason(error, 'TIMED_OUT') ? end() : again()),
    );
  }
  function again(): void {
    if (!isOver) cancel = timers.after(askAfterMs, ask);
  }
  function end(): void {
    if (isOver) return;
    isOver = true;
    dead();
  }
  return () => {
    isOver = true;
    cancel();
  };
}
