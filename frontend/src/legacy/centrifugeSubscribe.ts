/**
 * `centrifuge.subscribe(name, callbacks)` of django-instant 0.1, for `instant/extra_clients.js`.
 *
 * Dropped in django-instant 6.0.
 */

import type { Centrifuge, Subscription } from "centrifuge";
import { Deferred } from "../core/deferred.js";
import { ChannelError, ChannelRefused } from "../core/errors.js";
import { isObject, type JsonObject } from "../core/json.js";
import { EVERY, type Message } from "../core/messages.js";
import type { Session } from "../core/siteSession.js";
import type { ExtraClients } from "../page/engine.js";
import { runUserCode } from "../page/userCode.js";

type Callback = (context: unknown) => void;
/** Callbacks by the name of the event. */
type Callbacks = { [name: string]: Callback | undefined };

/** A message in the format of version 0.1. */
interface Dataset {
  readonly channel: string;
  readonly data: JsonObject;
}

/** The object that `centrifuge.subscribe` returns. */
export interface LegacySubscription {
  readonly channel: string;
  on(name: string, callback: Callback): LegacySubscription;
  unsubscribe(): void;
}

export type LegacyClient = Centrifuge & {
  subscribe(name: string, callbacks?: Callbacks | Callback): LegacySubscription;
};

/**
 * The channels that a page's own JavaScript joins. They belong to the session, so that they are kept when the SDK's
 * client is replaced. If the site has its own auth view, it issues their tokens.
 */
export class CentrifugeSubscribe implements ExtraClients {
  private readonly byChannel = new Map<string, Set<Callbacks>>();
  /** Channels that only the page's JavaScript has joined. */
  private readonly own = new Set<string>();
  private readonly watched = new WeakSet<Subscription>();
  private connected = new Deferred();
  /** The id of the connection; "" while there is none. */
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
    events.messages.on(EVERY, (message) => this.runCallbacks("message", message.channel, toDataset(message)));
    events.subscribed.add((event) => {
      this.watch(event.channel);
      this.runCallbacks("subscribe", event.channel, event);
    });
    events.unsubscribed.add((event) => this.runCallbacks("unsubscribe", event.channel, event));
  }

  /** Return whether the page has callbacks for this channel. */
  has(channel: string): boolean {
    return this.byChannel.has(channel);
  }

  /** Return the SDK's client with the method `subscribe` of version 0.1. */
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
        // A channel that Django listed stays joined, because the page's templates may have handlers for it.
        if (all.size === 1 && this.own.delete(channel)) this.session.unsubscribe(channel);
        all.delete(callbacks);
        if (all.size === 0) this.byChannel.delete(channel);
      },
    };
    return subscription;
  }

  private join(channel: string, { join, leave }: Callbacks): void {
    const { session, authUrl } = this;
    // get_token issues tokens of the channels that it listed. For others, only the site's own view can decide.
    const isListed = session.channels.get(channel) !== undefined;
    const wanted = session.channels.want(channel);
    if (join !== undefined || leave !== undefined) wanted.joinLeave = true;
    if (!isListed) this.own.add(channel);
    if (!isListed && authUrl !== null) wanted.tokenSource = () => this.token(authUrl, channel);
    session.subscribe(channel).catch((error: Error) => {
      this.runCallbacks("error", channel, { channel, error: error.message });
    });
  }

  private runCallbacks(name: string, channel: string, context: unknown): void {
    for (const callbacks of [...(this.byChannel.get(channel) ?? [])]) {
      runUserCode(`the "${name}" callback of ${channel}`, () => callbacks[name]?.(context));
    }
  }

  /** Listen to joins and leaves. They are reported by the SDK's subscription, which the session may replace. */
  private watch(channel: string): void {
    const subscription = this.has(channel) ? this.session.client?.getSubscription(channel) : null;
    if (!subscription || this.watched.has(subscription)) return;
    this.watched.add(subscription);
    subscription.on("join", (context) => this.runCallbacks("join", channel, context));
    subscription.on("leave", (context) => this.runCallbacks("leave", channel, context));
  }

  /** Request a token from the site's auth view, as clients of version 0.1 did. */
  private async token(authUrl: string, channel: string): Promise<string> {
    // Such a view expects the client id, but the SDK may request the token before it is connected.
    await this.connected.promise;
    const answer = await this.ask(authUrl, channel).catch((error: unknown) => {
      const failure = error instanceof ChannelError ? error : new ChannelError(channel, 0, `the request to ${authUrl} failed`);
      this.session.events.report(failure);
      throw failure;
    });
    const entry = isObject(answer) ? answer[channel] : undefined;
    const sign = isObject(entry) ? entry["sign"] : undefined;
    if (typeof sign !== "string" || sign === "") throw new ChannelRefused(channel, `${authUrl} returned no token for it`);
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
    if (response.status >= 500) throw new ChannelError(channel, response.status, `${authUrl} responded with a server error`);
    return response.ok ? ((await response.json()) as unknown) : null;
  }
}

function toDataset({ channel, site, uid, timestamp, message, data, eventClass, bucket }: Message): Dataset {
  return { channel, data: { channel, site, uid, timestamp, message, data, event_class: eventClass, bucket } };
}
