import type { Timers } from '@moldau/kernel';
import type { LeaseId } from '@moldau/metadata';
import { answerMs, type EtcdMember, noAnswer } from './etcd-member.ts';

/** Starts the time of a lease again, once. False: it is gone. The library's own way goes on by itself, and errs on time. */
export async function keepAliveOnce(member: EtcdMember, lease: LeaseId, timers: Timers): Promise<boolean> {
  const stream = await member.openKeepAlive();
  return new Promise((resolve, reject) => {
    let isOver = false;
    const end = (settle: () => void): void => {
      if (isOver) return;
      isOver = true;
      cancelTimer();
      settle();
      // Of this, too, the stream says that it has failed.
      stream.cancel();
    };
    const cancelTimer = timers.after(answerMs, () => end(() => reject(member.silent(noAnswer))));
    stream.on('data', ({ TTL }) => end(() => resolve(BigInt(TTL) > 0n)));
    stream.on('error', (error) => end(() => reject(member.streamFailed(error))));
    stream.on('end', () => end(() => reject(member.silent('it has ended the stream'))));
    stream.write({ ID: lease });
  });
}
