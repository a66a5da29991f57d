/** The base class of all errors of this package. No error message contains a token. */
export class InstantError extends Error {
  override name = "InstantError";

  constructor(
    message: string,
    /** The original error. */
    override readonly cause?: unknown,
  ) {
    super(message);
  }
}

/** An option is invalid: there is no WebSocket class, no address of the server, or the credentials are malformed. */
export class ConfigurationError extends InstantError {
  override name = "ConfigurationError";
}

/** Django did not answer, or answered with an error. `status` is 0 if there was no answer. */
export class RequestFailed extends InstantError {
  override name = "RequestFailed";

  constructor(
    readonly path: string,
    readonly status: number,
    /** Django's code of the error, or "network", "http" or "invalid_answer". */
    readonly code: string,
    readonly reason: string,
    cause?: unknown,
  ) {
    super(`request to ${path} failed: ${status === 0 ? "no answer" : status} (${code}) ${reason}`.trim(), cause);
  }

  /** Whether the same request may succeed later. */
  get retryable(): boolean {
    return this.code !== "invalid_answer" && (this.status === 0 || this.status >= 500 || [408, 425, 429].includes(this.status));
  }
}

/** Django answered 401 or 403: nobody is logged in, or the credentials are wrong. */
export class UnauthorizedError extends RequestFailed {
  override name = "UnauthorizedError";

  override get retryable(): boolean {
    return false;
  }
}

/** Django or the server refuses this user access to a channel. */
export class ChannelRefused extends InstantError {
  override name = "ChannelRefused";

  constructor(
    readonly channel: string,
    readonly reason: string,
  ) {
    super(`${channel}: ${reason}`);
  }
}

/** A channel cannot be joined now. The client retries. */
export class ChannelError extends InstantError {
  override name = "ChannelError";

  constructor(
    readonly channel: string,
    readonly code: number,
    readonly reason: string,
  ) {
    super(`${channel}: ${reason} (${code})`);
  }
}

/** The connection failed. The client reconnects. */
export class ConnectionError extends InstantError {
  override name = "ConnectionError";

  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(`connection: ${reason} (${code})`);
  }
}

/** The connection is closed, and the client does not reconnect. */
export class ConnectionClosed extends InstantError {
  override name = "ConnectionClosed";

  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(`disconnected: ${reason} (${code})`);
  }
}

/** The page left a channel before the server had confirmed the subscription. */
export class ChannelLeft extends InstantError {
  override name = "ChannelLeft";

  constructor(readonly channel: string) {
    super(`${channel}: left before it was joined`);
  }
}

/** A handler of the page threw `cause`. */
export class HandlerError extends InstantError {
  override name = "HandlerError";

  constructor(
    readonly channel: string,
    cause: unknown,
  ) {
    super(`a handler of a message in ${channel} threw: ${String(cause)}`, cause);
  }
}
