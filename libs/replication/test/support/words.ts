import type { FollowerEffect, LeaderEffect } from '../../src/index.ts';

/** An effect of a follower, as tests and scenarios write it. */
export function sayFollower(effect: FollowerEffect): string {
  switch (effect.kind) {
    case 'prepare':
      return `prepare ${effect.epoch}`;
    case 'want':
      return `want after ${effect.afterMs}`;
    case 'hello':
    case 'ready':
      return `${effect.kind} ${effect.session} epoch ${effect.epoch}`;
    case 'truncate':
    case 'reset':
      return `${effect.kind} to ${effect.to}`;
    case 'append':
      return `append from ${effect.piece.from}`;
    case 'ack':
      return `ack ${effect.session} epoch ${effect.epoch} end ${effect.durableEnd}`;
    case 'nack':
      return `nack ${effect.session} ${effect.reason}`;
    case 'learn':
      return `learn hw ${effect.highWatermark} start ${effect.logStart}`;
    case 'halt':
      return `halt at ${effect.at}`;
  }
}

const letters = 'abcdefgh';
/** Nodes have letters in tests. */
export const nameOf = (node: number): string => letters[node - 1] ?? String(node);
export const numberOf = (name: string): number => letters.indexOf(name) + 1;

/** An effect of a leader. */
export function sayLeader(effect: LeaderEffect): string {
  switch (effect.kind) {
    case 'refuse':
      return `refuse ${effect.session} ${effect.reason}`;
    case 'welcome': {
      const { match } = effect;
      return `welcome ${effect.session} ${match.kind === 'whole' ? 'whole' : `${match.kind} to ${match.to}`}`;
    }
    case 'push':
      return `push ${effect.session} from ${effect.from}`;
    case 'commit':
      return `commit ${effect.highWatermark}`;
    case 'propose': {
      const unfit = effect.unfit.length === 0 ? '' : ` unfit ${effect.unfit.map(nameOf).join('')}`;
      return `propose ${effect.isr.map(({ node }) => nameOf(node)).join('')}${unfit} on ${effect.partitionEpoch}`;
    }
    case 'resign':
      return `resign ${effect.why}`;
  }
}
