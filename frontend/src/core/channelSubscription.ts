/** One channel of the page: its SDK subscriptions, its token, its position in the history, and its publications. */

import {
  type Centrifuge,
  type ClientInfo,
  type JoinContext,
  type LeaveContext,
  type PublicationContext,
  type StreamPosition,
  type SubscribedContext,
  type SubscribingContext,
  type Subscription,
  type SubscriptionErrorContext,
  type UnsubscribedContext,
  UnauthorizedError as Final,
} from "centrifuge";
import type { ClientEvents, SubscribeEvent, UnsubscribeEvent } from "./clientEvents.js";
import type { Tags } from "./clientIds.js";
import {
  CALLED,
  PERMISSION_DENIED,
  SERVER_UNSUBSCRIBED,
  SUBSCRIPTION_INVALIDATED,
  TOKEN_EXPIRED,
  UNAUTHORIZED,
} from "./codes.js";
import { Deferred } from "./deferred.js";
import { ChannelError, ChannelLeft, ChannelRefused, type InstantError } from "./errors.js";
import { onlyWhile } from "./listeners.js";
import { toMessage } from "./messages.js";
import { toPresenceEvent } from "./presence.js";
import { PAGE, REVOKED_REASON, SIGNAL } from "./protocol.js";
import { channelOnServer, infoInSite } from "./tenants.js";
import { toWhisper } from "./whispers.js";

/** The session, as a channel uses it. */
export interface ChannelOwner {
  readonly account: { readonly tenant: string };
  readonly events: ClientEvents;
  /** Resolves in the next turn of the event loop. */
  tick(): Promise<void>;
  /** Return a token of the channel: the current one while it is valid, else a new one. */
  channelToken(name: string): Promise<string>;
  dropChannelToken(name: string): void;
  /** The server rejected this token as expired. */
  channelTokenExpired(name: string, token: string): void;
  /** Return whether this page caused the publication with these tags. */
  hasSent(tags: Tags | undefined): boolean;
  subscribed(event: SubscribeEvent): void;
  /** The channel has ended. `error` is null if the page left it, `event` is null if it was never joined. */
  channelEnded(channel: ChannelSubscription, event: UnsubscribeEvent | null, error: InstantError | null): void;
  failed(error: InstantError): void;
}

/** Codes of a channel whose user has lost access: the server unsubscribed it, or the server or Django refused it. */
const REVOCATIONS: ReadonlySet<number> = new Set([SERVER_UNSUBSCRIBED, PERMISSION_DENIED, UNAUTHORIZED]);

/** A position that does not exist in any history, so that the server answers "not recovered". */
const UNKNOWN_POSITION: StreamPosition = { offset: 0, epoch: "_" };

/**
 * One channel of the page. It exists longer than a connection or an SDK subscription. An SDK subscription keeps its
 * token even after the token has expired. So each SDK subscription subscribes only once. The next one gets a new token,
 * and the position that is stored here.
 */
export class ChannelSubscription {
  level = "";
  /** Each of its tokens is bound to one connection. */
  strict = false;
  /** The page subscribed to it by name. It is kept when another user logs in. */
  explicit = false;
  leaving = false;
  /** Users without permission to join also see the page, so a refusal is not an error. */
  optional = false;
  /** Returns the channel's tokens if another view than get_token issues them. */
  tokenSource: (() => Promise<string>) | null = null;
  /** Whether the page has join or leave listeners for this channel in particular. */
  joinLeave = false;
  private position: StreamPosition | null = null;
  private subscription: Subscription | null = null;
  /** Whether the SDK has asked for the token of `subscription`. */
  private used = false;
  private usedToken = "";
  private joined = false;
  private expirations = 0;
  private waiting: Deferred | null = null;
  private refusal = "";

  constructor(
    readonly name: string,
    private readonly owner: ChannelOwner,
  ) {}

  /** Whether the subscription waits for the server's answer. */
  get isPending(): boolean {
    return this.subscription?.state === "subscribing";
  }

  get isJoined(): boolean {
    return this.subscription?.state === "subscribed";
  }

  /** Resolves once the channel is joined. Rejects if it is refused, left, or the connection is closed for good. */
  whenJoined(): Promise<void> {
    if (this.isJoined) return Promise.resolve();
    this.waiting ??= new Deferred();
    return this.waiting.promise;
  }

  /** Start at this position of the channel's history, unless the channel was joined before. */
  startAt(position: StreamPosition): void {
    if (!this.joined && this.position === null) this.position = position;
  }

  /**
   * Subscribe with this client, at the stored position. An existing subscription is replaced, unless the SDK has not
   * asked for its token yet.
   */
  attach(client: Centrifuge): void {
    const name = channelOnServer(this.name, this.owner.account.tenant);
    if (this.subscription !== null && !this.used && this.subscription.channel === name) return;
    this.detach(client);
    const { position } = this;
    const joinLeave = this.joinLeave || this.owner.events.hasPresenceListeners;
    const since = position === null ? {} : { since: { ...position } };
    const getToken = (): Promise<string> => this.token(subscription);
    const subscription: Subscription = client.newSubscription(name, { ...since, joinLeave, getToken });
    this.subscription = subscription;
    this.used = false;
    this.listen(client, subscription);
    subscription.subscribe();
  }

  /** Subscribe with this client, unless there is a subscription. */
  join(client: Centrifuge): void {
    if (this.subscription === null) this.attach(client);
  }

  /** Remove the subscription, and keep the position. */
  detach(client: Centrifuge): void {
    const subscription = this.subscription;
    this.subscription = null;
    client.removeSubscription(subscription);
  }

  /** Leave the channel. Returns false if the server must first confirm the pending subscription. */
  leave(client: Centrifuge | null): boolean {
    this.leaving = true;
    this.rejectWaiting(new ChannelLeft(this.name));
    if (client?.state === "connected" && this.isPending) return false;
    if (client !== null) this.detach(client);
    return true;
  }

  /** End the channel because Django or the server refuses it. */
  refuse(reason: string, client: Centrifuge | null): void {
    if (client !== null) this.detach(client);
    this.end(PERMISSION_DENIED, reason, new ChannelRefused(this.name, reason));
  }

  /** Reject the promise of `whenJoined`. */
  rejectWaiting(error: Error): void {
    this.waiting?.reject(error);
    this.waiting = null;
  }

  forgetPosition(): void {
    this.position = null;
    this.joined = false;
  }

  /** Mark the stored position as lost: missed messages cannot be recovered. */
  invalidate(): void {
    if (this.position !== null) this.position = UNKNOWN_POSITION;
  }

  private listen(client: Centrifuge, subscription: Subscription): void {
    const { joined, left } = this.owner.events;
    const mine = onlyWhile(() => this.subscription === subscription);
    subscription.on("subscribing", mine<SubscribingContext>((context) => this.onSubscribing(client, context)));
    subscription.on("subscribed", mine<SubscribedContext>((context) => this.onSubscribed(client, context)));
    subscription.on("unsubscribed", mine<UnsubscribedContext>((context) => this.onUnsubscribed(client, context)));
    subscription.on("error", mine<SubscriptionErrorContext>((context) => this.onError(client, context)));
    subscription.on("publication", mine<PublicationContext>((context) => this.onPublication(context)));
    subscription.on("join", mine<JoinContext>(({ info }) => joined.emit(toPresenceEvent(this.name, this.inSite(info)))));
    subscription.on("leave", mine<LeaveContext>(({ info }) => left.emit(toPresenceEvent(this.name, this.inSite(info)))));
  }

  private onPublication({ data, offset, tags, info }: PublicationContext): void {
    if (this.position !== null && offset !== undefined) this.position = { ...this.position, offset };
    if (this.leaving) return;
    const { messages, signals, whispers } = this.owner.events;
    // A client published this, not Django, so it is never treated as a message. Its uid is not remembered either:
    // otherwise a client could suppress a message from Django by publishing that message's uid first.
    if (info !== undefined) return whispers.emit(toWhisper(this.name, data, this.inSite(info)));
    const message = toMessage(this.name, data);
    const handlers = message.eventClass === SIGNAL ? signals : messages;
    handlers.dispatch(message, this.owner.hasSent(tags));
  }

  private inSite(info: ClientInfo): ClientInfo {
    return infoInSite(info, this.owner.account.tenant);
  }

  private async token(subscription: Subscription): Promise<string> {
    this.used = true;
    // Waiting for the next turn batches all tokens of one turn into one request. It also keeps the SDK from sending
    // all subscriptions in one frame: the server rejects frames larger than 64 KiB.
    await this.owner.tick();
    if (this.subscription !== subscription) throw new Final("subscription replaced");
    try {
      this.usedToken = await (this.tokenSource?.() ?? this.owner.channelToken(this.name));
      return this.usedToken;
    } catch (error) {
      if (!(error instanceof ChannelRefused) || this.subscription !== subscription) throw error;
      this.refusal = error.reason; // the SDK does not include it in "unsubscribed"
      throw new Final(error.reason);
    }
  }

  /** The server requested a new subscription on an open connection: replace it by one that gets a valid token first. */
  private onSubscribing(client: Centrifuge, { code }: SubscribingContext): void {
    if (client.state !== "connected" || code === CALLED) return;
    if (code === SUBSCRIPTION_INVALIDATED) {
      this.invalidate();
      this.owner.dropChannelToken(this.name);
    }
    this.attach(client);
  }

  private onSubscribed(client: Centrifuge, context: SubscribedContext): void {
    this.expirations = 0;
    if (this.leaving) {
      this.detach(client);
      this.owner.channelEnded(this, null, null);
      return;
    }
    this.position = context.recoverable ? { ...(context.streamPosition ?? UNKNOWN_POSITION) } : null;
    this.joined = true;
    this.waiting?.resolve();
    this.waiting = null;
    const { wasRecovering, recovered } = context;
    this.owner.subscribed({ channel: this.name, wasRecovering, recovered: recovered || !wasRecovering });
  }

  private onUnsubscribed(client: Centrifuge, { code, reason }: UnsubscribedContext): void {
    this.detach(client);
    this.owner.dropChannelToken(this.name);
    const why = this.refusal || `${reason} (${code})`;
    this.end(code, reason, code < SERVER_UNSUBSCRIBED ? new ChannelRefused(this.name, why) : null);
  }

  private end(code: number, reason: string, error: InstantError | null): void {
    const event = this.joined && !this.leaving ? { channel: this.name, code, reason } : null;
    this.rejectWaiting(error ?? new ChannelRefused(this.name, reason));
    this.owner.channelEnded(this, event, this.leaving ? null : error);
    if (event === null || !REVOCATIONS.has(code) || this.level === PAGE) return;
    const why = code === SERVER_UNSUBSCRIBED ? REVOKED_REASON : this.refusal || reason;
    this.owner.events.revoked.emit({ channel: this.name, reason: why });
  }

  private onError(client: Centrifuge, { type, error }: SubscriptionErrorContext): void {
    if (type !== "subscribe") return;
    const { code, message } = error as Error & { code?: number };
    if (code === TOKEN_EXPIRED) {
      this.owner.channelTokenExpired(this.name, this.usedToken);
      this.expirations += 1;
      // The token seemed valid here, so the clocks differ. The first time, renew it immediately and report no error.
      if (this.expirations === 1) return this.attach(client);
    }
    if (!this.leaving) this.owner.failed(new ChannelError(this.name, code ?? 0, message));
  }
}
