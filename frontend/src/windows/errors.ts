import { InstantError } from "../errors.js";

/** A call that has no value: `code` and `reason` are Django's, or the server's (below 400). */
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

/** Django or the server said no: nothing has run, or a function itself refused. */
export class CallRefused extends CallError {
  override name = "CallRefused";
}

/** The call went wrong: a function threw, or the connection broke, in which case nobody knows whether it ran. */
export class CallFailed extends CallError {
  override name = "CallFailed";
}

/** No answer came in time. The function may still be running: the call is never repeated by itself. */
export class CallTimeout extends CallFailed {
  override name = "CallTimeout";
}

const TIMEOUTS = [1, 100]; // of the SDK, and of the server: what it says where Django does not answer it
const BROKEN = [2, 3, 11]; // of the SDK

/** Return the error for what the SDK's `rpc` was rejected with: an object that is no Error. */
export function callError(signal: string, cause: unknown): InstantError {
  if (cause instanceof InstantError) return cause;
  const { code = 0, message = String(cause) } = cause as { code?: number; message?: string };
  if (TIMEOUTS.includes(code)) return new CallTimeout(signal, code, "still running", cause);
  if (BROKEN.includes(code)) return new CallFailed(signal, code, "the connection broke; it may have run", cause);
  const isFailure = code === 0 || Math.floor(code / 100) === 5;
  return new (isFailure ? CallFailed : CallRefused)(signal, code, message, cause);
}
