import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';

/** The library writes to stderr by itself. All that matters of it reaches us as a status or a callback. */
export const silenceLibrary = (): void => setLogVerbosity(logVerbosity.NONE);
