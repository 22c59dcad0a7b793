/** The header of a call that another process has passed on. */
export const forwardedKey = 'moldau-forwarded';
