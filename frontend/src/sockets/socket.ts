import type { Centrifuge } from "centrifuge";
import { ChannelRefused } from "../errors.js";
import type { JsonValue } from "../message.js";
import { byteLength, copied, MAX_SENT_BYTES } from "../outgoing.js";
import { ABNORMAL, type Closing, NO_STATUS, NORMAL } from "./closing.js";
import type { InstantSocket, ReadyState, SocketEventMap, SocketMessage, SocketOptions } from "./interface.js";
import { Stream } from "./stream.js";

/** What a socket asks of its session. */
export interface SocketOwner {
  tick(): Promise<void>;
  /** Milliseconds to wait after so many failures in a row. */
  delay(failures: number): number;
  refused(error: ChannelRefused): void;
  closed(): void;
}

const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3] as const;
const NAMES = ["open", "message", "reconnecting", "error", "close"] as const;
const LONGEST_REASON = 123;
/** Where there are no events this script can be loaded all the same. */
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
  private stream: Stream | null = null;
  private discarded = 0;
  private readonly content: unknown;
  private readonly reconnects: boolean;

  constructor(
    private readonly owner: SocketOwner,
    readonly url: string,
    { data = null, reconnect = true }: SocketOptions,
  ) {
    super();
    this.content = checked(data).copy;
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
    return (this.stream?.bufferedBytes ?? 0) + this.discarded;
  }

  send(message: unknown): void {
    if (this.state === CONNECTING) throw new DOMException("the socket is still connecting", "InvalidStateError");
    const { copy, bytes } = checked(message);
    const amount = typeof copy === "string" ? byteLength(copy) : bytes;
    if (this.state === OPEN) this.stream?.send(copy, amount);
    else this.discarded += amount;
  }

  close(code?: number, reason = ""): void {
    if (code !== undefined && code !== NORMAL && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`a socket is closed with 1000, or a code from 3000 to 4999, not ${code}`, "InvalidAccessError");
    }
    if (byteLength(reason) > LONGEST_REASON) {
      throw new DOMException(`the reason has more than ${LONGEST_REASON} bytes`, "SyntaxError");
    }
    if (this.state >= CLOSING) return;
    const { state } = this;
    this.state = CLOSING;
    if (state === OPEN) this.stream?.close({ code: code ?? NO_STATUS, reason });
    else void this.owner.tick().then(() => this.fail({ code: ABNORMAL, reason: "closed before it was open" }));
  }

  // What its session tells

  /** There is a connection, by this client. */
  attach(client: Centrifuge): void {
    if (this.state >= CLOSING || this.stream?.client === client) return;
    // Another client has taken the place of the one before.
    if (this.stream !== null) this.lost("connection replaced");
    if (this.state !== CONNECTING) return;
    this.stream?.drop();
    this.stream = new Stream(client, this.url, this.content, {
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

  /** There is no connection, and it is tried again. */
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

  // What its stream tells

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
    this.stream?.drop();
    this.owner.closed();
    if (!wasClean) this.dispatchEvent(new Event("error"));
    this.dispatchEvent(closeEvent("close", closing, wasClean));
  }
}

function checked(message: unknown): { readonly copy: unknown; readonly bytes: number } {
  if (message instanceof ArrayBuffer || ArrayBuffer.isView(message) || message instanceof Blob) {
    throw new TypeError("a socket takes text, or what JSON can hold");
  }
  // As a WebSocket does: half a character cannot be sent.
  const whole = typeof message === "string" ? message.replace(/\p{Surrogate}/gu, "\uFFFD") : message;
  const known = copied(whole);
  if (known.bytes > MAX_SENT_BYTES) throw new RangeError(`${known.bytes} bytes are too many: the server takes ${MAX_SENT_BYTES}`);
  return known;
}

function messageEvent(message: JsonValue): SocketMessage {
  const data = typeof message === "string" ? message : JSON.stringify(message);
  return Object.assign(new MessageEvent<string>("message", { data }), { message });
}

function closeEvent(type: keyof SocketEventMap, { code, reason }: Closing, wasClean: boolean): CloseEvent {
  const told = { code, reason, wasClean };
  // Node has the class from 23 on.
  if (typeof CloseEvent === "undefined") return Object.assign(new Event(type), told) as CloseEvent;
  return new CloseEvent(type, told);
}
