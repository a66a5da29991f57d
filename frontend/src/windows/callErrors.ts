/** The errors with which calls reject. */

import { InstantError } from "../core/errors.js";

/** A call that has no result. `code` and `reason` come from Django, or from the server if the code is below 400. */
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

/** Django or the server refused the call, and no function ran; or the function itself refused it. */
export class CallRefused extends CallError {
  override name = "CallRefused";
}

/** The call failed: a function raised an exception, or the connection was lost and the function may have run. */
export class CallFailed extends CallError {
  override name = "CallFailed";
}

/** The call timed out. The function may still be running, so the client never retries the call. */
export class CallTimeout extends CallFailed {
  override name = "CallTimeout";
}

const TIMEOUTS = [1, 100]; // SDK: no answer from the server; server: no answer from Django
const CONNECTION_LOST = [2, 3, 11]; // SDK

/** Convert a rejection of the SDK's `rpc`, which is not an Error object. */
export function callError(signal: string, cause: unknown): InstantError {
  if (cause instanceof InstantError) return cause;
  const { code = 0, message = String(cause) } = cause as { code?: number; message?: string };
  if (TIMEOUTS.includes(code)) return new CallTimeout(signal, code, "still running", cause);
  if (CONNECTION_LOST.includes(code)) return new CallFailed(signal, code, "the connection was lost; it may have run", cause);
  const isFailure = code === 0 || Math.floor(code / 100) === 5;
  return new (isFailure ? CallFailed : CallRefused)(signal, code, message, cause);
}
