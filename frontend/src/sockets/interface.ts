/** The interface of a socket: that of a WebSocket in browsers, with JSON messages and reconnects. */

import type { JsonValue } from "../core/json.js";

/** Options of `socket()`. */
export interface SocketOptions {
  /** The handler's `self.data`, sent each time the socket is opened: any JSON value. Default: null. */
  readonly data?: unknown;
  /** If false, the socket closes with code 1006 when the connection is lost or cannot be established. Default: true. */
  readonly reconnect?: boolean;
}

/** A message that the handler sent. */
export interface SocketMessage extends MessageEvent<string> {
  /** The message as text, as in a WebSocket: strings unchanged, other values as JSON. */
  readonly data: string;
  /** The message as the handler sent it. */
  readonly message: JsonValue;
}

export interface SocketEventMap {
  open: Event;
  message: SocketMessage;
  /** The connection was lost. `open` follows after the reconnect. A WebSocket does not have this event. */
  reconnecting: CloseEvent;
  error: Event;
  close: CloseEvent;
}

export type ReadyState = 0 | 1 | 2 | 3;

/** A socket to a Python handler, with the interface of a WebSocket. */
export interface InstantSocket extends EventTarget {
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
  /** The state. After the connection was lost, it is CONNECTING until the socket is OPEN again. */
  readonly readyState: ReadyState;
  /** The name of the socket's channel. */
  readonly url: string;
  readonly extensions: string;
  readonly protocol: string;
  /** Has no effect: there are no binary messages. */
  binaryType: BinaryType;
  /** The size in bytes of the messages that the server has not acknowledged. */
  readonly bufferedAmount: number;
  onopen: ((event: Event) => unknown) | null;
  onmessage: ((event: SocketMessage) => unknown) | null;
  onreconnecting: ((event: CloseEvent) => unknown) | null;
  onerror: ((event: Event) => unknown) | null;
  onclose: ((event: CloseEvent) => unknown) | null;
  /**
   * Send text, or any JSON value. Throws a DOMException (`InvalidStateError`) while the socket is CONNECTING, a
   * RangeError if the message is too large for the server, and a TypeError if it is not JSON.
   */
  send(message: unknown): void;
  /**
   * Close the socket once the server has received all messages. Throws a DOMException, as a WebSocket does:
   * `InvalidAccessError` if the code is not 1000 or 3000 to 4999, `SyntaxError` if the reason exceeds 123 bytes.
   */
  close(code?: number, reason?: string): void;
  addEventListener<Name extends keyof SocketEventMap>(
    type: Name,
    listener: (this: InstantSocket, event: SocketEventMap[Name]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
