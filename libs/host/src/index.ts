export { hostRandom } from './random.ts';
export { hostClock, hostTimers } from './time.ts';
