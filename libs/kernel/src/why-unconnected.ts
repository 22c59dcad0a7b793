/** What grpc-js says of a channel that has no connection: what the last attempt failed with stands in the middle of it. */
const noConnection =
  /No connection established\. Last error: (?:Error: )?(.*?)(?: \(\d{4}-[^)]*Z\))?\.?\s*(?:Resolution note|$)/s;

/** How such an attempt fails, by what listens at the other end. */
const others: readonly (readonly [cause: RegExp, what: (address: string) => string])[] = [
  [/^Protocol error/, (address) => `${address} answers, but not in gRPC: it may be an HTTP port. Check the port`],
  [
    /^Failed to connect/,
    (address) =>
      `${address} ended the connection at once: it may want TLS, or be no gRPC server. Check the port, and TLS`,
  ],
  [/wrong version number/, (address) => `${address} does not speak TLS: check the port, or ask it without TLS`],
  [
    /before secure TLS connection/,
    (address) => `${address} ended the connection before TLS began: check the port, or ask it without TLS`,
  ],
];

/**
 * Why there is no connection to an address, for whoever runs the processes: no server, or one of another kind. `message`: of
 * grpc-js, by which more than one room calls. `undefined`: it does not say so. Otherwise the call has not left this process.
 */
export function whyUnconnected(address: string, message: string): string | undefined {
  const cause = noConnection.exec(message)?.[1];
  if (cause === undefined) return undefined;
  const other = others.find(([pattern]) => pattern.test(cause));
  return other?.[1](address) ?? `${address} can't be reached (${cause}): is a server running there?`;
}
