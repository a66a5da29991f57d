/** The socket object of a page, with the state, the events and the methods of a WebSocket. */

import type { Centrifuge } from "centrifuge";
import { ChannelRefused } from "../core/errors.js";
import { channelOnServer } from "../core/tenants.js";
import { byteLength, jsonCopy, type JsonValue, MAX_SENT_BYTES } from "../core/json.js";
import { ABNORMAL, type Closing, NO_STATUS, NORMAL } from "./closeCodes.js";
import type { InstantSocket, ReadyState, SocketEventMap, SocketMessage, SocketOptions } from "./interface.js";
import { SocketSubscription } from "./socketSubscription.js";

/** The session, as a socket uses it. */
export interface SocketOwner {
  tick(): Promise<void>;
  /** Return the delay in milliseconds before the next attempt, after this number of failures in a row. */
  delay(failures: number): number;
  refused(error: ChannelRefused): void;
  closed(): void;
}

const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3] as const;
const NAMES = ["open", "message", "reconnecting", "error", "close"] as const;
const MAX_REASON_BYTES = 123;
/** Some environments have no EventTarget. The script must still load there. */
const Target = (globalThis.EventTarget ?? Object) as typeof EventTarget;

export class Socket extends Target implements InstantSocket {
  readonly CONNECTING = CONNECTING;
  readonly OPEN = OPEN;
  readonly CLOSING = CLOSING;
  readonly CLOSED = CLOSED;
  readonly extensions = "";
  readonly protocol = "";
  binaryType: BinaryType = "blob";
  onopen: InstantSocket["onopen"] = null;
  onmessage: InstantSocket["onmessage"] = null;
  onreconnecting: InstantSocket["onreconnecting"] = null;
  onerror: InstantSocket["onerror"] = null;
  onclose: InstantSocket["onclose"] = null;
  private state: ReadyState = CONNECTING;
  private subscription: SocketSubscription | null = null;
  /** The size in bytes of messages sent after the socket was closed. A WebSocket counts these as well. */
  private discarded = 0;
  private readonly openingData: unknown;
  private readonly reconnects: boolean;

  constructor(
    private readonly owner: SocketOwner,
    readonly url: string,
    { data = null, reconnect = true }: SocketOptions,
  ) {
    super();
    this.openingData = checked(data).copy;
    this.reconnects = reconnect;
    for (const name of NAMES) {
      this.addEventListener(name, (event: Event) => {
        const listener = this[`on${name}`] as unknown;
        if (typeof listener === "function") listener.call(this, event);
      });
    }
  }

  get readyState(): ReadyState {
    return this.state;
  }

  get bufferedAmount(): number {
    return (this.subscription?.bufferedBytes ?? 0) + this.discarded;
  }

  send(message: unknown): void {
    if (this.state === CONNECTING) throw new DOMException("the socket is still connecting", "InvalidStateError");
    const { copy, bytes } = checked(message);
    const amount = typeof copy === "string" ? byteLength(copy) : bytes;
    if (this.state === OPEN) this.subscription?.send(copy, amount);
    else this.discarded += amount;
  }

  close(code?: number, reason = ""): void {
    if (code !== undefined && code !== NORMAL && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`the close code ${code} is invalid: use 1000, or 3000 to 4999`, "InvalidAccessError");
    }
    if (byteLength(reason) > MAX_REASON_BYTES) {
      throw new DOMException(`the close reason is longer than ${MAX_REASON_BYTES} bytes`, "SyntaxError");
    }
    if (this.state >= CLOSING) return;
    const { state } = this;
    this.state = CLOSING;
    if (state === OPEN) this.subscription?.close({ code: code ?? NO_STATUS, reason });
    else void this.owner.tick().then(() => this.fail({ code: ABNORMAL, reason: "closed before it was open" }));
  }

  // Called by the session

  /** Subscribe with this client, which is connected. `tenant` is the site's tenant, "" for none. */
  attach(client: Centrifuge, tenant: string): void {
    if (this.state >= CLOSING || this.subscription?.client === client) return;
    // The client of a new connection replaces the previous one.
    if (this.subscription !== null) this.lost("connection replaced");
    if (this.state !== CONNECTING) return;
    this.subscription?.drop();
    this.subscription = new SocketSubscription(client, channelOnServer(this.url, tenant), this.openingData, {
      reconnects: this.reconnects,
      tick: () => this.owner.tick(),
      delay: (failures) => this.owner.delay(failures),
      opened: () => this.opened(),
      received: (message) => this.received(message),
      lost: (reason) => this.lost(reason),
      ended: (closing) => this.end(closing),
      refused: (closing) => this.refused(closing),
    });
  }

  /** Report a lost connection. The socket reconnects, unless its options forbid it or it is closing. */
  lost(reason: string): void {
    if (this.state === CLOSED) return;
    const closing = { code: ABNORMAL, reason };
    if (!this.reconnects || this.state === CLOSING) return this.fail(closing);
    if (this.state !== OPEN) return;
    this.state = CONNECTING;
    this.dispatchEvent(closeEvent("reconnecting", closing, false));
  }

  end(closing: Closing): void {
    this.finish(closing, true);
  }

  fail(closing: Closing): void {
    this.finish(closing, false);
  }

  // Called by the subscription

  private opened(): void {
    if (this.state !== CONNECTING) return;
    this.state = OPEN;
    this.dispatchEvent(new Event("open"));
  }

  private received(message: JsonValue): void {
    if (this.state === OPEN) this.dispatchEvent(messageEvent(message));
  }

  private refused(closing: Closing): void {
    if (this.state === CLOSED) return;
    this.owner.refused(new ChannelRefused(this.url, `${closing.reason} (${closing.code})`));
    this.fail(closing);
  }

  private finish(closing: Closing, wasClean: boolean): void {
    if (this.state === CLOSED) return;
    this.state = CLOSED;
    this.subscription?.drop();
    this.owner.closed();
    if (!wasClean) this.dispatchEvent(new Event("error"));
    this.dispatchEvent(closeEvent("close", closing, wasClean));
  }
}

function checked(message: unknown): { readonly copy: unknown; readonly bytes: number } {
  if (message instanceof ArrayBuffer || ArrayBuffer.isView(message) || message instanceof Blob) {
    throw new TypeError("binary data cannot be sent: use text or a JSON value");
  }
  // As in a WebSocket, lone surrogates are replaced.
  const whole = typeof message === "string" ? message.replace(/\p{Surrogate}/gu, "\uFFFD") : message;
  const known = jsonCopy(whole);
  if (known.bytes > MAX_SENT_BYTES) throw new RangeError(`the message has ${known.bytes} bytes; the limit is ${MAX_SENT_BYTES}`);
  return known;
}

function messageEvent(message: JsonValue): SocketMessage {
  const data = typeof message === "string" ? message : JSON.stringify(message);
  return Object.assign(new MessageEvent<string>("message", { data }), { message });
}

function closeEvent(type: keyof SocketEventMap, { code, reason }: Closing, wasClean: boolean): CloseEvent {
  const properties = { code, reason, wasClean };
  // Node has the class since version 23.
  if (typeof CloseEvent === "undefined") return Object.assign(new Event(type), properties) as CloseEvent;
  return new CloseEvent(type, properties);
}
