/** `centrifuge.subscribe(name, callbacks)` of version 0.1, for instant/extra_clients.js. */

import type { Centrifuge, Subscription } from "centrifuge";
import { ChannelError, ChannelRefused } from "../errors.js";
import { Deferred } from "../listeners.js";
import { isObject } from "../message.js";
import type { Session } from "../session.js";
import { guarded } from "./report.js";
import { toDataset } from "./unpack.js";

type Callback = (context: unknown) => void;
/** Each is told its own; a function alone is told the messages. */
type Callbacks = { [name: string]: Callback | undefined };

/** What `centrifuge.subscribe` returns. */
export interface LegacySubscription {
  readonly channel: string;
  on(name: string, callback: Callback): LegacySubscription;
  unsubscribe(): void;
}

export type LegacyClient = Centrifuge & {
  subscribe(name: string, callbacks?: Callbacks | Callback): LegacySubscription;
};

/**
 * The channels that a page's own JavaScript joins. They are rooms of the session, so that they outlive a client that
 * another takes the place of; where the site has an auth view of its own, that makes their tokens.
 */
export class Legacy {
  private readonly byChannel = new Map<string, Set<Callbacks>>();
  /** Joined for the page's JavaScript only. */
  private readonly own = new Set<string>();
  private readonly watched = new WeakSet<Subscription>();
  private connected = new Deferred();
  /** "" while there is no connection. */
  private clientId = "";

  constructor(
    private readonly session: Session,
    private readonly authUrl: string | null,
  ) {
    const { events } = session;
    events.connected.add(({ client }) => {
      this.clientId = client;
      this.connected.resolve();
    });
    events.state.add((state) => {
      if (state === "connected" || this.clientId === "") return;
      this.clientId = "";
      this.connected = new Deferred();
    });
    events.messages.on("*", (message) => this.tell("message", message.channel, toDataset(message)));
    events.subscribed.add((event) => {
      this.watch(event.channel);
      this.tell("subscribe", event.channel, event);
    });
    events.unsubscribed.add((event) => this.tell("unsubscribe", event.channel, event));
  }

  /** Whether the page has callbacks for this channel. */
  has(channel: string): boolean {
    return this.byChannel.has(channel);
  }

  /** The SDK's client, with the method that it had in the days of version 0.1. */
  client(centrifuge: Centrifuge): LegacyClient {
    return Object.assign(centrifuge, {
      subscribe: (name: string, callbacks: Callbacks | Callback = {}) =>
        this.subscribe(name, typeof callbacks === "function" ? { message: callbacks } : { ...callbacks }),
    });
  }

  private subscribe(channel: string, callbacks: Callbacks): LegacySubscription {
    const all = this.byChannel.get(channel) ?? new Set();
    this.byChannel.set(channel, all.add(callbacks));
    this.join(channel, callbacks);
    const subscription: LegacySubscription = {
      channel,
      on: (name, callback) => {
        callbacks[name] = callback;
        return subscription;
      },
      unsubscribe: () => {
        if (!all.has(callbacks)) return;
        // The page's templates may have handlers of what Django listed: that stays joined.
        if (all.size === 1 && this.own.delete(channel)) this.session.unsubscribe(channel);
        all.delete(callbacks);
        if (all.size === 0) this.byChannel.delete(channel);
      },
    };
    return subscription;
  }

  private join(channel: string, { join, leave }: Callbacks): void {
    const { session, authUrl } = this;
    // What Django listed it makes tokens for; of the rest only the site's own view knows who may join.
    const isListed = session.rooms.get(channel) !== undefined;
    const room = session.rooms.want(channel);
    if (join !== undefined || leave !== undefined) room.joinLeave = true;
    if (!isListed) this.own.add(channel);
    if (!isListed && authUrl !== null) room.source = () => this.token(authUrl, channel);
    session.subscribe(channel).catch((error: Error) => {
      this.tell("error", channel, { channel, error: error.message });
    });
  }

  private tell(name: string, channel: string, context: unknown): void {
    for (const callbacks of [...(this.byChannel.get(channel) ?? [])]) {
      guarded(`the "${name}" callback of ${channel}`, () => callbacks[name]?.(context));
    }
  }

  /** Who comes and goes is told by the SDK's subscription, of which each joining has a new one. */
  private watch(channel: string): void {
    const subscription = this.has(channel) ? this.session.client?.getSubscription(channel) : null;
    if (!subscription || this.watched.has(subscription)) return;
    this.watched.add(subscription);
    subscription.on("join", (context) => this.tell("join", channel, context));
    subscription.on("leave", (context) => this.tell("leave", channel, context));
  }

  /** Ask the site's auth view, as clients of version 0.1 did. */
  private async token(authUrl: string, channel: string): Promise<string> {
    // The SDK may ask before it knows its id, which such a view is told.
    await this.connected.promise;
    const answer = await this.ask(authUrl, channel).catch((error: unknown) => {
      const failure = error instanceof ChannelError ? error : new ChannelError(channel, 0, `${authUrl} does not answer`);
      this.session.events.report(failure);
      throw failure;
    });
    const entry = isObject(answer) ? answer[channel] : undefined;
    const sign = isObject(entry) ? entry["sign"] : undefined;
    if (typeof sign !== "string" || sign === "") throw new ChannelRefused(channel, `${authUrl} gave no token for it`);
    return sign;
  }

  private async ask(authUrl: string, channel: string): Promise<unknown> {
    const response = await fetch(authUrl, {
      method: "POST",
      credentials: "same-origin",
      headers: {
        "Content-Type": "application/json",
        "X-Requested-With": "XMLHttpRequest",
        "X-CSRFToken": this.session.account.csrfToken,
      },
      body: JSON.stringify({ client: this.clientId, channels: [channel] }),
    });
    if (response.status >= 500) throw new ChannelError(channel, response.status, `${authUrl} failed`);
    return response.ok ? ((await response.json()) as unknown) : null;
  }
}
