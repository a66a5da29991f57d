/** The interface of a socket: that of a browser's WebSocket, with JSON messages and reconnects. */

import type { JsonValue } from "../core/json.js";

export interface SocketOptions {
  /** The handler's `self.data`, each time the socket is opened: anything that JSON can hold. */
  readonly data?: unknown;
  /** False: the socket closes with 1006 when the connection is lost, or cannot be made. */
  readonly reconnect?: boolean;
}

/** A message of the handler. */
export interface SocketMessage extends MessageEvent<string> {
  /** What a WebSocket would have: text as the handler sent it, and anything else as JSON. */
  readonly data: string;
  /** What the handler sent. */
  readonly message: JsonValue;
}

export interface SocketEventMap {
  open: Event;
  message: SocketMessage;
  /** The connection was lost; `open` follows when it is back. A WebSocket has no such event. */
  reconnecting: CloseEvent;
  error: Event;
  close: CloseEvent;
}

export type ReadyState = 0 | 1 | 2 | 3;

/** A WebSocket for the messages of a handler in Python. */
export interface InstantSocket extends EventTarget {
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
  /** After the connection was lost: CONNECTING, until it is OPEN again. */
  readonly readyState: ReadyState;
  /** Its channel. */
  readonly url: string;
  readonly extensions: string;
  readonly protocol: string;
  /** There are no binary messages. */
  binaryType: BinaryType;
  /** Size in bytes of the messages that the server has not answered yet. */
  readonly bufferedAmount: number;
  onopen: ((event: Event) => unknown) | null;
  onmessage: ((event: SocketMessage) => unknown) | null;
  onreconnecting: ((event: CloseEvent) => unknown) | null;
  onerror: ((event: Event) => unknown) | null;
  onclose: ((event: CloseEvent) => unknown) | null;
  /**
   * Send text, or anything that JSON can hold. Throws an InvalidStateError while it is CONNECTING, a RangeError for a
   * message that is too large for the server, and a TypeError for what JSON cannot hold.
   */
  send(message: unknown): void;
  /** Close it, once the server has received all messages. Throws as a WebSocket does. */
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
