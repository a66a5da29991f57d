import {
  Centrifuge,
  type ConnectedContext,
  type ConnectingContext,
  type DisconnectedContext,
  type ErrorContext,
  UnauthorizedError as Final,
} from "centrifuge";
import { ConfigurationError, ConnectionError, type InstantError } from "./errors.js";
import type { Events } from "./events.js";
import { MAX_RECONNECT_DELAY, MIN_RECONNECT_DELAY, type Options } from "./options.js";

/** What a connection needs from its session. */
export interface LinkOwner {
  readonly events: Events;
  /** Have good tokens, of the connection and of all channels that are to be joined; at most one request. */
  prepare(link: Link): Promise<string>;
  /** A connection token other than `used`. */
  renewedToken(link: Link, used: string | null): Promise<string>;
  serverAddress(): string;
  /** Whether this failure ends the connection for good. */
  isFinal(error: unknown): boolean;
  dropTokens(): void;
  stateInvalidated(): void;
  stateChanged(link: Link): void;
  connected(context: ConnectedContext): void;
  closed(link: Link, code: number, reason: string): void;
  failed(error: InstantError): void;
}

const TOKEN_EXPIRED = 109;
const STATE_INVALIDATED = 3014;
const CONNECT_CALLED = 0;
type SocketClass = new (url: string) => object;

/** One client of the SDK, for one user, until it is closed. The SDK reconnects; this sees to its tokens. */
export class Link {
  readonly client: Centrifuge;
  /** The connection token that the client was given last. */
  private used: string | null = null;
  private over = false;
  private expirations = 0;
  private told = false;

  constructor(
    private readonly owner: LinkOwner,
    options: Options,
  ) {
    this.client = new Centrifuge("ws://django-instant", {
      name: "django-instant",
      ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
      websocket: socketTo(() => owner.serverAddress(), options.websocket),
      minReconnectDelay: options.minReconnectDelay ?? MIN_RECONNECT_DELAY,
      maxReconnectDelay: options.maxReconnectDelay ?? MAX_RECONNECT_DELAY,
      getToken: () => this.guarded(() => owner.renewedToken(this, this.used)),
      // The SDK awaits it before each attempt to connect: the one moment to renew what expired meanwhile.
      getData: () => this.prepare(),
    });
    this.listen();
  }

  /** Whether the server has, or may have, seen a token of this client. */
  get isBound(): boolean {
    return this.used !== null;
  }

  get isOver(): boolean {
    return this.over;
  }

  close(): void {
    this.over = true;
    this.client.disconnect();
  }

  private async prepare(): Promise<null> {
    this.client.setToken(await this.guarded(() => this.owner.prepare(this)));
    return null;
  }

  /** Run what yields a connection token, and tell the SDK whether a failure is final. */
  private async guarded(ask: () => Promise<string>): Promise<string> {
    try {
      const token = await ask();
      if (!this.over) this.used = token;
      return token;
    } catch (error) {
      throw this.over || this.owner.isFinal(error) ? new Final("no token") : error;
    }
  }

  private listen(): void {
    const { client, owner } = this;
    const mine = <Context>(handle: (context: Context) => void) => (context: Context): void => {
      if (!this.over) handle(context);
    };
    client.on("state", mine(() => owner.stateChanged(this)));
    client.on("connecting", mine((context) => this.onConnecting(context)));
    client.on("connected", mine((context) => this.onConnected(context)));
    client.on("disconnected", mine((context) => this.onDisconnected(context)));
    client.on("error", mine((context) => this.onError(context)));
  }

  private onConnecting({ code, reason }: ConnectingContext): void {
    if (code !== CONNECT_CALLED) this.owner.events.lost.emit({ code, reason });
    if (code !== STATE_INVALIDATED) return;
    this.owner.dropTokens();
    this.owner.stateInvalidated();
  }

  private onConnected(context: ConnectedContext): void {
    this.expirations = 0;
    this.told = false;
    this.owner.connected(context);
  }

  private onDisconnected({ code, reason }: DisconnectedContext): void {
    this.over = true;
    this.owner.closed(this, code, reason);
  }

  private onError({ type, error }: ErrorContext): void {
    const { code, message } = error as Error & { code?: number };
    if (code === TOKEN_EXPIRED) return this.onExpired(message);
    if (this.client.state === "connecting") this.owner.events.attempt.emit({ code: code ?? 0, reason: message });
    if (type === "transport" && this.told) return;
    if (type === "transport") this.told = true;
    // Failures to get tokens were told by who asked for them.
    if (type === "transport" || type === "connect" || type === "refresh") {
      this.owner.failed(new ConnectionError(code ?? 0, message));
    }
  }

  /** A token that was thought good and is not is no error, but a wrong clock; twice in a row it is one. */
  private onExpired(message: string): void {
    this.owner.dropTokens();
    this.expirations += 1;
    if (this.expirations > 1) this.owner.failed(new ConnectionError(TOKEN_EXPIRED, message));
  }
}

/** A WebSocket class that goes where `address` says at the time: it is known only once Django has answered. */
function socketTo(address: () => string, given: unknown): SocketClass {
  const Socket = (given ?? globalThis.WebSocket) as SocketClass | undefined;
  if (typeof Socket !== "function") {
    throw new ConfigurationError("there is no global WebSocket: give the class of the package ws as `websocket`");
  }
  return function () {
    return new Socket(address());
  } as unknown as SocketClass;
}
