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

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}
