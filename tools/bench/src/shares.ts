/** The part of one client: so many records, after so many that belong to the clients before it. */
export interface Share {
  readonly client: number;
  readonly before: number;
  readonly records: number;
}

/** Shares records among clients; no two differ by more than one. */
export function sharesOf(records: number, clients: number): Share[] {
  const end = (client: number): number => Math.floor((records * client) / clients);
  return Array.from({ length: clients }, (_, client) => ({
    client,
    before: end(client),
    records: end(client + 1) - end(client),
  }));
}
