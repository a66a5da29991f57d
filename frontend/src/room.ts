import {
  type Centrifuge,
  type PublicationContext,
  type StreamPosition,
  type SubscribedContext,
  type SubscribingContext,
  type Subscription,
  type SubscriptionErrorContext,
  type UnsubscribedContext,
  UnauthorizedError as Final,
} from "centrifuge";
import { ChannelError, ChannelLeft, ChannelRefused, type InstantError } from "./errors.js";
import type { Events } from "./events.js";
import { Deferred } from "./listeners.js";
import { toPresenceEvent } from "./presence.js";
import type { Tags } from "./senders.js";

export interface SubscribeEvent {
  readonly channel: string;
  readonly wasRecovering: boolean;
  /** False only where messages were missed that the server no longer has: load anew what they would have told. */
  readonly recovered: boolean;
}

export interface UnsubscribeEvent {
  readonly channel: string;
  readonly code: number;
  readonly reason: string;
}

/** What a room needs from its session. */
export interface RoomOwner {
  readonly events: Events;
  /** Resolves in the next turn of the event loop. */
  tick(): Promise<void>;
  /** A token of the channel: a good one that is at hand, or a new one. */
  channelToken(name: string): Promise<string>;
  dropChannelToken(name: string): void;
  /** The server says that this token has expired. */
  channelTokenExpired(name: string, token: string): void;
  received(channel: string, data: unknown, tags: Tags | undefined): void;
  subscribed(event: SubscribeEvent): void;
  /** The room is over; `error` says why where nobody wanted that, `event` where it had been joined. */
  ended(room: Room, event: UnsubscribeEvent | null, error: InstantError | null): void;
  failed(error: InstantError): void;
}

const TOKEN_EXPIRED = 109;
const STATE_INVALIDATED = 2502;
/** A position that the server cannot have, so that it says "not recovered". */
const NOWHERE: StreamPosition = { offset: 0, epoch: "_" };

/**
 * One channel, over all connections. The SDK's subscriptions keep their token, good or not, so each is used for one
 * joining only: the next gets a new one, at the position that the room remembers.
 */
export class Room {
  level = "";
  /** The page asked for it by name; it is kept when another user logs in. */
  explicit = false;
  leaving = false;
  /** The page is for those too who may not join it: a refusal is no error. */
  optional = false;
  /** Makes the channel's tokens, where Django's get_token does not. */
  source: (() => Promise<string>) | null = null;
  /** Whether the page wants to know who comes and goes in this channel, if it does not in all. */
  joinLeave = false;
  private position: StreamPosition | null = null;
  private subscription: Subscription | null = null;
  private used = false;
  private usedToken = "";
  private joined = false;
  private expirations = 0;
  private waiting: Deferred | null = null;
  private refusal = "";

  constructor(
    readonly name: string,
    private readonly owner: RoomOwner,
  ) {}

  /** Whether an answer of the server is awaited. */
  get isPending(): boolean {
    return this.subscription?.state === "subscribing";
  }

  get isJoined(): boolean {
    return this.subscription?.state === "subscribed";
  }

  /** Settled as soon as the channel is joined or refused. */
  whenJoined(): Promise<void> {
    if (this.isJoined) return Promise.resolve();
    this.waiting ??= new Deferred();
    return this.waiting.promise;
  }

  /** Join at this position of the channel's history, if it was never joined. */
  startAt(position: StreamPosition): void {
    if (!this.joined && this.position === null) this.position = position;
  }

  /** Subscribe with this client, at the remembered position; a subscription that is still unused is kept. */
  attach(client: Centrifuge): void {
    if (this.subscription !== null && !this.used) return;
    this.detach(client);
    const { position } = this;
    const joinLeave = this.joinLeave || this.owner.events.watchPeople;
    const since = position === null ? {} : { since: { ...position } };
    const getToken = (): Promise<string> => this.token(subscription);
    const subscription: Subscription = client.newSubscription(this.name, { ...since, joinLeave, getToken });
    this.subscription = subscription;
    this.used = false;
    this.listen(client, subscription);
    subscription.subscribe();
  }

  /** Subscribe, unless that was done. */
  join(client: Centrifuge): void {
    if (this.subscription === null) this.attach(client);
  }

  /** Give up the subscription, and keep the position. */
  detach(client: Centrifuge): void {
    const subscription = this.subscription;
    this.subscription = null;
    client.removeSubscription(subscription);
  }

  /** Leave for good; true if that is done, false if the server must first answer that the room was joined. */
  leave(client: Centrifuge | null): boolean {
    this.leaving = true;
    this.waiting?.reject(new ChannelLeft(this.name));
    this.waiting = null;
    if (client?.state === "connected" && this.isPending) return false;
    if (client !== null) this.detach(client);
    return true;
  }

  /** End the room, for Django or the server refuses it. */
  refuse(reason: string, client: Centrifuge | null): void {
    if (client !== null) this.detach(client);
    this.end(103, reason, new ChannelRefused(this.name, reason));
  }

  /** Tell who waits that nothing comes of it now. */
  giveUp(error: Error): void {
    this.waiting?.reject(error);
    this.waiting = null;
  }

  forgetPosition(): void {
    this.position = null;
    this.joined = false;
  }

  /** What was missed cannot be recovered. */
  invalidate(): void {
    if (this.position !== null) this.position = NOWHERE;
  }

  private listen(client: Centrifuge, subscription: Subscription): void {
    const mine = <Context>(handle: (context: Context) => void) => (context: Context): void => {
      if (this.subscription === subscription) handle(context);
    };
    subscription.on("subscribing", mine((context) => this.onSubscribing(client, context)));
    subscription.on("subscribed", mine((context) => this.onSubscribed(client, context)));
    subscription.on("unsubscribed", mine((context) => this.onUnsubscribed(client, context)));
    subscription.on("error", mine((context) => this.onError(client, context)));
    subscription.on("publication", mine((context) => this.onPublication(context)));
    subscription.on("join", mine(({ info }) => this.owner.events.joined.emit(toPresenceEvent(this.name, info))));
    subscription.on("leave", mine(({ info }) => this.owner.events.left.emit(toPresenceEvent(this.name, info))));
  }

  private async token(subscription: Subscription): Promise<string> {
    this.used = true;
    // Not at once: what is asked in one tick becomes one request, and the SDK does not put all channels into one
    // frame, which the server would not read beyond 64 KiB.
    await this.owner.tick();
    if (this.subscription !== subscription) throw new Final("given up");
    try {
      this.usedToken = await (this.source?.() ?? this.owner.channelToken(this.name));
      return this.usedToken;
    } catch (error) {
      if (!(error instanceof ChannelRefused)) throw error;
      this.refusal = error.reason; // the SDK does not hand it on
      throw new Final(error.reason);
    }
  }

  /** The server asks to join anew, on a living connection: a new subscription gets a good token first. */
  private onSubscribing(client: Centrifuge, { code }: SubscribingContext): void {
    if (client.state !== "connected" || code === 0) return;
    if (code === STATE_INVALIDATED) {
      this.invalidate();
      this.owner.dropChannelToken(this.name);
    }
    this.attach(client);
  }

  private onSubscribed(client: Centrifuge, context: SubscribedContext): void {
    this.expirations = 0;
    if (this.leaving) {
      this.detach(client);
      this.owner.ended(this, null, null);
      return;
    }
    this.position = context.recoverable ? { ...(context.streamPosition ?? NOWHERE) } : null;
    this.joined = true;
    this.waiting?.resolve();
    this.waiting = null;
    const { wasRecovering, recovered } = context;
    this.owner.subscribed({ channel: this.name, wasRecovering, recovered: recovered || !wasRecovering });
  }

  private onPublication({ data, offset, tags }: PublicationContext): void {
    if (this.position !== null && offset !== undefined) this.position = { ...this.position, offset };
    if (!this.leaving) this.owner.received(this.name, data, tags);
  }

  private onUnsubscribed(client: Centrifuge, { code, reason }: UnsubscribedContext): void {
    this.detach(client);
    this.owner.dropChannelToken(this.name);
    const why = this.refusal || `${reason} (${code})`;
    this.end(code, reason, code < 2000 ? new ChannelRefused(this.name, why) : null);
  }

  private end(code: number, reason: string, error: InstantError | null): void {
    const event = this.joined && !this.leaving ? { channel: this.name, code, reason } : null;
    this.waiting?.reject(error ?? new ChannelRefused(this.name, reason));
    this.waiting = null;
    this.owner.ended(this, event, this.leaving ? null : error);
  }

  private onError(client: Centrifuge, { type, error }: SubscriptionErrorContext): void {
    if (type !== "subscribe") return;
    const { code, message } = error as Error & { code?: number };
    if (code === TOKEN_EXPIRED) {
      this.owner.channelTokenExpired(this.name, this.usedToken);
      this.expirations += 1;
      // A token that was thought good and is not is no error, but a wrong clock: once, it is renewed at once.
      if (this.expirations === 1) return this.attach(client);
    }
    if (!this.leaving) this.owner.failed(new ChannelError(this.name, code ?? 0, message));
  }
}
