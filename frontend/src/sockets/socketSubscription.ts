/** A socket's subscription to its channel, by which the server opens a stream to the worker. */

import type { Centrifuge, PublicationContext, Subscription, UnsubscribedContext } from "centrifuge";
import { SERVER_UNSUBSCRIBED } from "../core/codes.js";
import { isObject, type JsonValue } from "../core/json.js";
import { type Closing, NO_STATUS, NORMAL, OVERLOADED, ofRefusal } from "./closeCodes.js";
import { SendQueue } from "./sendQueue.js";

const VERSION = 1;
/** Milliseconds to wait until the worker confirms that it has received everything. */
const CLOSE_TIMEOUT = 10_000;

/** What a subscription needs from its socket, and reports to it. */
export interface SocketSubscriptionOwner {
  /** Whether to subscribe again after a loss. */
  readonly reconnects: boolean;
  tick(): Promise<void>;
  /** Milliseconds to wait after so many failures in a row. */
  delay(failures: number): number;
  opened(): void;
  received(message: JsonValue): void;
  /** The subscription was lost; the SDK subscribes again. */
  lost(reason: string): void;
  ended(closing: Closing): void;
  refused(closing: Closing): void;
}

/** One per client of the SDK, which subscribes again after each loss. For the worker each time is another socket. */
export class SocketSubscription {
  /** Null while it is not open. */
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
    // With getData the SDK does not put all sockets into one frame, which the server would not read if it is larger
    // than 64 KiB.
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

  /** Size in bytes of the messages that the server has not answered. */
  get bufferedBytes(): number {
    return this.queue?.bytes ?? 0;
  }

  /** Send a message. It is dropped if the subscription is lost and the socket does not know yet. */
  send(message: unknown, bytes: number): void {
    this.queue?.put({ m: message }, bytes);
  }

  /** Have the worker end it once it has received everything: unsubscribing would lose what is on its way. */
  close(closing: Closing): void {
    this.closing = closing;
    this.queue?.put({ c: [closing.code, closing.reason] }, 0);
    this.timer = setTimeout(() => this.owner.lost("no answer"), CLOSE_TIMEOUT);
  }

  /** Unsubscribe, without a report to the owner. */
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
    // A publication with the `info` of a client is not the worker's.
    if (info !== undefined || !isObject(data)) return;
    const { m, c } = data;
    if (Array.isArray(c)) this.onEnd({ code: Number(c[0]), reason: String(c[1]) });
    else if (m !== undefined) this.owner.received(m as JsonValue);
  }

  private onEnd(closing: Closing): void {
    // The handler may have closed it, with a code of its own, before the page did.
    this.owner.ended((closing.code === NORMAL ? this.closing : null) ?? closing);
  }

  private onSubscribing(reason: string): void {
    if (this.queue === null) return;
    this.stop();
    // The client is closed: for good, which its session is about to report, or because another replaces it.
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
