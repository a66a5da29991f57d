/** Base of all errors of this package. None of them ever holds a token. */
export class InstantError extends Error {
  override name = "InstantError";

  constructor(
    message: string,
    /** What led to it. */
    override readonly cause?: unknown,
  ) {
    super(message);
  }
}

/** The options cannot work: no WebSocket, no address of the server, credentials of a wrong shape. */
export class ConfigurationError extends InstantError {
  override name = "ConfigurationError";
}

/** Django did not answer, or with an error. `status` is 0 where no answer came. */
export class RequestFailed extends InstantError {
  override name = "RequestFailed";

  constructor(
    readonly path: string,
    readonly status: number,
    /** Django's word for it, or "network" or "invalid_answer". */
    readonly code: string,
    readonly reason: string,
    cause?: unknown,
  ) {
    super(`${path}: ${status === 0 ? "no answer" : status} (${code}) ${reason}`.trim(), cause);
  }

  /** Whether the same request may do better later. */
  get retryable(): boolean {
    return this.code !== "invalid_answer" && (this.status === 0 || this.status >= 500 || [408, 425, 429].includes(this.status));
  }
}

/** Django says 401 or 403: nobody is logged in, or the credentials are wrong. */
export class UnauthorizedError extends RequestFailed {
  override name = "UnauthorizedError";

  override get retryable(): boolean {
    return false;
  }
}

/** Django or the server keeps this user out of one channel. */
export class ChannelRefused extends InstantError {
  override name = "ChannelRefused";

  constructor(
    readonly channel: string,
    readonly reason: string,
  ) {
    super(`${channel}: ${reason}`);
  }
}

/** One channel has a passing trouble; joining it is tried again. */
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

/** The connection has trouble, and is tried again. */
export class ConnectionError extends InstantError {
  override name = "ConnectionError";

  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(`connection: ${reason} (${code})`);
  }
}

/** The connection is over, and does not come back by itself. */
export class ConnectionClosed extends InstantError {
  override name = "ConnectionClosed";

  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(`disconnected: ${reason} (${code})`);
  }
}

/** The page left the channel before it was joined. */
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
