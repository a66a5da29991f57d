/** The errors that a call rejects with. */

import { InstantError } from "../core/errors.js";

/** A call without a result. `code` and `reason` are Django's, or the server's (below 400). */
class CallError extends InstantError {
  constructor(
    readonly signal: string,
    readonly code: number,
    readonly reason: string,
    cause?: unknown,
  ) {
    super(`${signal}: ${reason} (${code})`, cause);
  }
}

/** Django or the server refused: no function ran, or the function itself refused. */
export class CallRefused extends CallError {
  override name = "CallRefused";
}

/** The call failed: a function raised, or the connection broke and the function may have run. */
export class CallFailed extends CallError {
  override name = "CallFailed";
}

/** There was no answer in time. The function may still be running, so the client never repeats the call. */
export class CallTimeout extends CallFailed {
  override name = "CallTimeout";
}

const TIMEOUTS = [1, 100]; // of the SDK; and of the server, when Django does not answer it
const BROKEN = [2, 3, 11]; // of the SDK

/** Return the error for a rejection of the SDK's `rpc`, which is an object but not an Error. */
export function callError(signal: string, cause: unknown): InstantError {
  if (cause instanceof InstantError) return cause;
  const { code = 0, message = String(cause) } = cause as { code?: number; message?: string };
  if (TIMEOUTS.includes(code)) return new CallTimeout(signal, code, "still running", cause);
  if (BROKEN.includes(code)) return new CallFailed(signal, code, "the connection broke; it may have run", cause);
  const isFailure = code === 0 || Math.floor(code / 100) === 5;
  return new (isFailure ? CallFailed : CallRefused)(signal, code, message, cause);
}
