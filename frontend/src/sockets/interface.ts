import type { JsonValue } from "../message.js";

export interface SocketOptions {
  /** What the handler finds as `self.data`, each time the socket is opened: what JSON can hold. */
  readonly data?: unknown;
  /** False: a connection that is lost, or not made, closes the socket, with 1006. */
  readonly reconnect?: boolean;
}

/** A message of the handler. */
export interface SocketMessage extends MessageEvent<string> {
  /** Text as the handler sent it, and anything else as JSON: what a WebSocket would have. */
  readonly data: string;
  /** What the handler sent. */
  readonly message: JsonValue;
}

export interface SocketEventMap {
  open: Event;
  message: SocketMessage;
  /** The connection was lost, and is to come back, which `open` tells. A WebSocket has no such event. */
  reconnecting: CloseEvent;
  error: Event;
  close: CloseEvent;
}

export type ReadyState = 0 | 1 | 2 | 3;

/** What a browser's WebSocket is, for the messages of a handler in Python. */
export interface InstantSocket extends EventTarget {
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
  /** After a lost connection CONNECTING, until it is OPEN again. */
  readonly readyState: ReadyState;
  /** Its channel. */
  readonly url: string;
  readonly extensions: string;
  readonly protocol: string;
  /** There are no binary messages. */
  binaryType: BinaryType;
  /** Bytes of messages that the server has not answered yet. */
  readonly bufferedAmount: number;
  onopen: ((event: Event) => unknown) | null;
  onmessage: ((event: SocketMessage) => unknown) | null;
  onreconnecting: ((event: CloseEvent) => unknown) | null;
  onerror: ((event: Event) => unknown) | null;
  onclose: ((event: CloseEvent) => unknown) | null;
  /**
   * Send text, or what JSON can hold. Throws an InvalidStateError while it is CONNECTING, a RangeError where the
   * server takes no message of this size, and a TypeError for what JSON cannot hold.
   */
  send(message: unknown): void;
  /** Close it, once the server has all that was sent. Throws as a WebSocket does. */
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
