import type { Centrifuge, PublicationContext, Subscription, UnsubscribedContext } from "centrifuge";
import { isObject, type JsonValue } from "../message.js";
import { type Closing, NO_STATUS, NORMAL, OVERLOADED, ofRefusal } from "./closing.js";
import { Pipeline } from "./pipeline.js";

const VERSION = 1;
/** Milliseconds in which the worker says that it has all. */
const PATIENCE = 10_000;
/** Unsubscribe codes from here on; below are the refusals. */
const SERVER_UNSUBSCRIBED = 2000;

/** What a stream asks and tells. */
export interface StreamOwner {
  /** Whether a stream that is lost is to come back. */
  readonly reconnects: boolean;
  tick(): Promise<void>;
  /** Milliseconds to wait after so many failures in a row. */
  delay(failures: number): number;
  opened(): void;
  received(message: JsonValue): void;
  /** It ended, and is tried again. */
  lost(reason: string): void;
  ended(closing: Closing): void;
  refused(closing: Closing): void;
}

/**
 * A socket's subscription with one client of the SDK, which subscribes anew after each loss. To the worker each time is
 * another socket.
 */
export class Stream {
  /** While it is open. */
  private pipeline: Pipeline | null = null;
  private closing: Closing | null = null;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly subscription: Subscription;

  constructor(
    readonly client: Centrifuge,
    channel: string,
    data: unknown,
    private readonly owner: StreamOwner,
  ) {
    // Asked for it, the SDK does not put all sockets into one frame, which the server would not read beyond 64 KiB.
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

  /** Bytes of messages that the server has not answered. */
  get bufferedBytes(): number {
    return this.pipeline?.bytes ?? 0;
  }

  /** Send a message; it is dropped where the stream is lost, and nobody was told yet. */
  send(message: unknown, bytes: number): void {
    this.pipeline?.put({ m: message }, bytes);
  }

  /** Have the worker end it, when it has all that was sent: what is under way would be lost if this just left. */
  close(closing: Closing): void {
    this.closing = closing;
    this.pipeline?.put({ c: [closing.code, closing.reason] }, 0);
    this.timer = setTimeout(() => this.owner.lost("no answer"), PATIENCE);
  }

  /** End it, without a word to the owner. */
  drop(): void {
    this.stop();
    clearTimeout(this.timer);
    this.subscription.removeAllListeners();
    this.client.removeSubscription(this.subscription);
  }

  private stop(): void {
    this.pipeline?.stop();
    this.pipeline = null;
  }

  private onSubscribed(): void {
    this.pipeline = new Pipeline((envelope) => this.client.publish(this.subscription.channel, envelope));
    this.failures = 0;
    this.owner.opened();
  }

  private onPublication({ data }: PublicationContext): void {
    if (!isObject(data)) return;
    const { m, c } = data;
    if (Array.isArray(c)) this.onEnd({ code: Number(c[0]), reason: String(c[1]) });
    else if (m !== undefined) this.owner.received(m as JsonValue);
  }

  private onEnd(closing: Closing): void {
    // A handler that closed it before the page did has said so.
    this.owner.ended((closing.code === NORMAL ? this.closing : null) ?? closing);
  }

  private onSubscribing(reason: string): void {
    if (this.pipeline === null) return;
    this.stop();
    // A client that is at its end: for good, as its session tells at once, or another takes its place.
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
