/** The page's connection to the server: one client of the SDK, and its token. */

import {
  Centrifuge,
  type ConnectedContext,
  type ConnectingContext,
  type DisconnectedContext,
  type ErrorContext,
  type StateContext,
  UnauthorizedError as Final,
} from "centrifuge";
import type { ClientEvents } from "./clientEvents.js";
import { CALLED, CONNECTION_INVALIDATED, TOKEN_EXPIRED } from "./codes.js";
import { ConfigurationError, ConnectionError, type InstantError } from "./errors.js";
import { onlyWhile } from "./listeners.js";
import { MAX_RECONNECT_DELAY, MIN_RECONNECT_DELAY, type Options } from "./options.js";

/** The session, as a connection uses it. */
export interface ConnectionOwner {
  readonly events: ClientEvents;
  /** Renew the tokens of the connection and of all channels to join. Return the connection token. */
  prepare(connection: Connection): Promise<string>;
  /** Return a connection token other than `used`. */
  renewedToken(connection: Connection, used: string | null): Promise<string>;
  serverAddress(): string;
  /** Return whether this error ends the connection for good. */
  isFinal(error: unknown): boolean;
  dropTokens(): void;
  stateInvalidated(): void;
  stateChanged(connection: Connection): void;
  connected(context: ConnectedContext): void;
  closed(connection: Connection, code: number, reason: string): void;
  failed(error: InstantError): void;
}

type SocketClass = new (url: string) => object;

/** One client of the SDK, for one user, until it is closed. The SDK reconnects; this class supplies the tokens. */
export class Connection {
  readonly client: Centrifuge;
  /** The last connection token that the client got. */
  private used: string | null = null;
  private closed = false;
  private expirations = 0;
  /** Whether a transport error was reported since the last connection. */
  private reported = false;

  constructor(
    private readonly owner: ConnectionOwner,
    options: Options,
  ) {
    this.client = new Centrifuge("ws://django-instant", {
      name: "django-instant",
      ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
      websocket: socketTo(() => owner.serverAddress(), options.websocket),
      minReconnectDelay: options.minReconnectDelay ?? MIN_RECONNECT_DELAY,
      maxReconnectDelay: options.maxReconnectDelay ?? MAX_RECONNECT_DELAY,
      getToken: () => this.tokenFrom(() => owner.renewedToken(this, this.used)),
      // The SDK awaits getData before each attempt to connect. It is the only hook in which tokens can be renewed.
      getData: () => this.prepare(),
    });
    this.listen();
  }

  /** Whether a token of this client may have been sent to the server. */
  get hasUsedToken(): boolean {
    return this.used !== null;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  close(): void {
    this.closed = true;
    this.client.disconnect();
  }

  private async prepare(): Promise<null> {
    this.client.setToken(await this.tokenFrom(() => this.owner.prepare(this)));
    return null;
  }

  /** Return a connection token from `ask`. Errors that end the connection are converted to the SDK's final error. */
  private async tokenFrom(ask: () => Promise<string>): Promise<string> {
    try {
      const token = await ask();
      if (!this.closed) this.used = token;
      return token;
    } catch (error) {
      throw this.closed || this.owner.isFinal(error) ? new Final("no token") : error;
    }
  }

  private listen(): void {
    const { client, owner } = this;
    const mine = onlyWhile(() => !this.closed);
    // `closed` reports the state "disconnected", unless the session reconnects. Then the state is "connecting".
    client.on("state", mine<StateContext>(({ newState }) => {
      if (newState !== "disconnected") owner.stateChanged(this);
    }));
    client.on("connecting", mine<ConnectingContext>((context) => this.onConnecting(context)));
    client.on("connected", mine<ConnectedContext>((context) => this.onConnected(context)));
    client.on("disconnected", mine<DisconnectedContext>((context) => this.onDisconnected(context)));
    client.on("error", mine<ErrorContext>((context) => this.onError(context)));
  }

  private onConnecting({ code, reason }: ConnectingContext): void {
    if (code !== CALLED) this.owner.events.lost.emit({ code, reason });
    if (code !== CONNECTION_INVALIDATED) return;
    this.owner.dropTokens();
    this.owner.stateInvalidated();
  }

  private onConnected(context: ConnectedContext): void {
    this.expirations = 0;
    this.reported = false;
    this.owner.connected(context);
  }

  private onDisconnected({ code, reason }: DisconnectedContext): void {
    this.closed = true;
    this.owner.closed(this, code, reason);
  }

  private onError({ type, error }: ErrorContext): void {
    const { code, message } = error as Error & { code?: number };
    if (code === TOKEN_EXPIRED) return this.onExpired(message);
    if (this.client.state === "connecting") this.owner.events.attempt.emit({ code: code ?? 0, reason: message });
    if (type === "transport" && this.reported) return;
    if (type === "transport") this.reported = true;
    // Failed requests for tokens were already reported.
    if (type === "transport" || type === "connect" || type === "refresh") {
      this.owner.failed(new ConnectionError(code ?? 0, message));
    }
  }

  /** The token seemed valid here, so the clocks differ. It is an error only if it happens twice in a row. */
  private onExpired(message: string): void {
    this.owner.dropTokens();
    this.expirations += 1;
    if (this.expirations > 1) this.owner.failed(new ConnectionError(TOKEN_EXPIRED, message));
  }
}

/** Return a WebSocket class that determines its address when it connects, because Django's answer may contain it. */
function socketTo(address: () => string, given: unknown): SocketClass {
  const Socket = (given ?? globalThis.WebSocket) as SocketClass | undefined;
  if (typeof Socket !== "function") {
    throw new ConfigurationError("there is no global WebSocket: pass the class of the package `ws` as option `websocket`");
  }
  return function () {
    return new Socket(address());
  } as unknown as SocketClass;
}
