/** What the makers' most used client, that of Java, allows by default. */
export const unconfirmedMax = 10_000;
/** Of one publish frame; the client's own default is made for few records. */
export const frameRecords = 1_000;
/** Half of what a server takes as one frame. */
export const frameBytes = 512 * 1_024;
