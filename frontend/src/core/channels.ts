/** The channels of a page. */

import type { Centrifuge } from "centrifuge";
import { type ChannelOwner, ChannelSubscription } from "./channelSubscription.js";
import type { ChannelToken } from "./credentials.js";

/** The page's channels by name, in the order in which they were added. */
export class Channels {
  private readonly byName = new Map<string, ChannelSubscription>();
  /** Channels that the page left. They are not joined again when Django lists them. */
  private readonly left = new Set<string>();

  constructor(private readonly owner: ChannelOwner) {}

  get all(): ChannelSubscription[] {
    return [...this.byName.values()].filter((channel) => !channel.leaving);
  }

  get arePending(): boolean {
    return this.all.some((channel) => channel.isPending);
  }

  get(name: string): ChannelSubscription | undefined {
    return this.byName.get(name);
  }

  /** Store Django's answer about a channel. With `adds`, a channel that the page does not have yet is added. */
  note({ name, level, strict, position }: ChannelToken, adds: boolean): void {
    const channel = adds && !this.left.has(name) ? this.add(name) : this.byName.get(name);
    if (channel === undefined) return;
    channel.level = level;
    channel.strict = strict;
    if (position !== null) channel.startAt(position);
  }

  /** Add a channel that the page subscribes to by name, if it is new, and return it. */
  want(name: string): ChannelSubscription {
    this.left.delete(name);
    const channel = this.add(name);
    channel.explicit = true;
    channel.leaving = false;
    return channel;
  }

  /** Leave a channel. Until the server has confirmed a pending subscription, the channel stays in the list. */
  leave(channel: ChannelSubscription, client: Centrifuge | null): void {
    this.left.add(channel.name);
    if (channel.leave(client)) this.remove(channel);
  }

  remove(channel: ChannelSubscription): void {
    if (this.byName.get(channel.name) === channel) this.byName.delete(channel.name);
  }

  /** Subscribe to each channel for which `isWanted` returns true. Called before the client connects. */
  attach(client: Centrifuge, isWanted: (channel: ChannelSubscription) => boolean): void {
    for (const channel of [...this.byName.values()]) {
      if (channel.leaving) this.drop(channel, client);
      else if (isWanted(channel)) channel.attach(client);
    }
  }

  /** Remove all subscriptions. With an `error`, pending `subscribe()` calls are rejected with it. */
  detach(client: Centrifuge, error: Error | null): void {
    for (const channel of this.byName.values()) {
      channel.detach(client);
      if (error !== null) channel.rejectWaiting(error);
      if (channel.leaving) this.remove(channel);
    }
  }

  /** Mark the stored positions of all channels as lost. */
  invalidate(): void {
    for (const channel of this.byName.values()) channel.invalidate();
  }

  /** Keep only the channels that the page subscribed to by name, because another user has logged in. */
  changeUser(client: Centrifuge | null): void {
    this.left.clear();
    for (const channel of [...this.byName.values()]) {
      channel.forgetPosition();
      if (!channel.explicit || channel.leaving) this.drop(channel, client);
    }
  }

  /** Allow Django's list to add the channels again that the page has left. */
  forgetLeft(): void {
    this.left.clear();
  }

  clear(error: Error): void {
    for (const channel of this.byName.values()) channel.rejectWaiting(error);
    this.byName.clear();
    this.left.clear();
  }

  private drop(channel: ChannelSubscription, client: Centrifuge | null): void {
    if (client !== null) channel.detach(client);
    this.remove(channel);
  }

  private add(name: string): ChannelSubscription {
    const channel = this.byName.get(name) ?? new ChannelSubscription(name, this.owner);
    this.byName.set(name, channel);
    return channel;
  }
}
