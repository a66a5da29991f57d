/** A socket's subscription to its channel. For each subscription, the server opens a stream to the worker. */

import type { Centrifuge, PublicationContext, Subscription, UnsubscribedContext } from "centrifuge";
import { SERVER_UNSUBSCRIBED } from "../core/codes.js";
import { isObject, type JsonValue } from "../core/json.js";
import { type Closing, NO_STATUS, NORMAL, OVERLOADED, ofRefusal } from "./closeCodes.js";
import { SendQueue } from "./sendQueue.js";

const VERSION = 1;
/** Milliseconds to wait for the worker to confirm that it has received all messages. */
const CLOSE_TIMEOUT = 10_000;

/** The socket, as a subscription uses it. */
export interface SocketSubscriptionOwner {
  /** Whether to retry if Django is overloaded. */
  readonly reconnects: boolean;
  tick(): Promise<void>;
  /** Return the delay in milliseconds before the next attempt, after this number of failures in a row. */
  delay(failures: number): number;
  opened(): void;
  received(message: JsonValue): void;
  /** The subscription was lost; the SDK subscribes again. */
  lost(reason: string): void;
  ended(closing: Closing): void;
  refused(closing: Closing): void;
}

/** A subscription with one SDK client, which subscribes again after a loss. Each time, the worker sees a new socket. */
export class SocketSubscription {
  /** Null while the subscription is not open. */
  private queue: SendQueue | null = null;
  private closing: Closing | null = null;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly subscription: Subscription;

  constructor(
    readonly client: Centrifuge,
    channel: string,
    data: unknown,
    private readonly owner: SocketSubscriptionOwner,
  ) {
    // With an asynchronous getData, the SDK does not send all subscriptions in one frame: the server rejects frames
    // larger than 64 KiB.
    const getData = (): Promise<unknown> => owner.tick().then(() => ({ data, v: VERSION }));
    const subscription = client.newSubscription(channel, { getData });
    this.subscription = subscription;
    subscription.on("subscribed", () => this.onSubscribed());
    subscription.on("publication", (context) => this.onPublication(context));
    subscription.on("subscribing", ({ reason }) => this.onSubscribing(reason));
    subscription.on("error", ({ error }) => owner.lost(error.message));
    subscription.on("unsubscribed", (context) => this.onUnsubscribed(context));
    subscription.subscribe();
  }

  /** The size in bytes of the messages that the server has not answered. */
  get bufferedBytes(): number {
    return this.queue?.bytes ?? 0;
  }

  /** Send a message. It is dropped if the subscription is lost. */
  send(message: unknown, bytes: number): void {
    this.queue?.put({ m: message }, bytes);
  }

  /** Ask the worker to close the socket after it has received all messages. Unsubscribing would lose messages. */
  close(closing: Closing): void {
    this.closing = closing;
    this.queue?.put({ c: [closing.code, closing.reason] }, 0);
    this.timer = setTimeout(() => this.owner.lost("no answer"), CLOSE_TIMEOUT);
  }

  /** Unsubscribe without calling the owner. */
  drop(): void {
    this.stop();
    clearTimeout(this.timer);
    this.subscription.removeAllListeners();
    this.client.removeSubscription(this.subscription);
  }

  private stop(): void {
    this.queue?.stop();
    this.queue = null;
  }

  private onSubscribed(): void {
    this.queue = new SendQueue((envelope) => this.client.publish(this.subscription.channel, envelope));
    this.failures = 0;
    this.owner.opened();
  }

  private onPublication({ data, info }: PublicationContext): void {
    // The server adds `info` to publications of clients. The worker's have none.
    if (info !== undefined || !isObject(data)) return;
    const { m, c } = data;
    if (Array.isArray(c)) this.onEnd({ code: Number(c[0]), reason: String(c[1]) });
    else if (m !== undefined) this.owner.received(m as JsonValue);
  }

  private onEnd(closing: Closing): void {
    // The handler may have closed the socket with another code before the page did.
    this.owner.ended((closing.code === NORMAL ? this.closing : null) ?? closing);
  }

  private onSubscribing(reason: string): void {
    if (this.queue === null) return;
    this.stop();
    // The client is closed. The session is about to report a final disconnect, or replaces the client.
    if (this.client.state === "disconnected") void this.owner.tick().then(() => this.owner.lost(reason));
    else this.owner.lost(reason);
  }

  private onUnsubscribed({ code, reason }: UnsubscribedContext): void {
    this.stop();
    if (code >= SERVER_UNSUBSCRIBED) this.owner.ended({ code: NO_STATUS, reason: "" });
    else if (code === OVERLOADED && this.owner.reconnects) this.retry();
    else this.owner.refused(ofRefusal(code, reason));
  }

  private retry(): void {
    this.failures += 1;
    this.timer = setTimeout(() => this.subscription.subscribe(), this.owner.delay(this.failures) * (0.5 + Math.random() / 2));
  }
}
