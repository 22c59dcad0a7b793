import type { Channel, ChannelPurpose, Dialer } from '@moldau/rpc';

/** One channel for each address and purpose, opened on first use and kept. */
export class Connections {
  readonly #dialer: Dialer;
  readonly #channels = new Map<string, Channel>();

  constructor(dialer: Dialer) {
    this.#dialer = dialer;
  }

  to(address: string, purpose: ChannelPurpose): Channel {
    const name = `${purpose} ${address}`;
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const channel = this.#dialer.dial(address, purpose);
    this.#channels.set(name, channel);
    return channel;
  }

  /** Breaks what is open on this channel: the next call takes a new one. */
  drop(channel: Channel): void {
    for (const [name, known] of this.#channels) if (known === channel) this.#channels.delete(name);
    channel.close();
  }

  /** Closes what leads elsewhere than to these addresses: nobody is there any more. */
  keep(addresses: ReadonlySet<string>): void {
    for (const channel of this.#channels.values()) if (!addresses.has(channel.address)) this.drop(channel);
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}
