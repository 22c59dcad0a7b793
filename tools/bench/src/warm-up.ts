const secondsMax = 5;

/**
 * For how long a paced load runs before what counts: for virtual machines to compile what they run, and for connections
 * to grow their windows. The same for every system.
 */
export const warmUpSeconds = (seconds: number): number => Math.min(seconds, secondsMax);
