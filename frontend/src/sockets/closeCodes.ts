/** The close codes of sockets. */

import { CALLED, UNAUTHORIZED, UNKNOWN_CHANNEL } from "../core/codes.js";

/** The code and reason of a socket's CloseEvent. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
}

export const NORMAL = 1000;
/** `close()` was called without a code, or the stream ended without one. */
export const NO_STATUS = 1005;
/** The connection was lost. */
export const ABNORMAL = 1006;
const TRY_LATER = 1013;
const NOT_LOGGED_IN = 4401;
const FORBIDDEN = 4403;
const NOT_FOUND = 4404;
const FAILED = 4500;

/** Django's answer if too many sockets are open, or the worker is about to stop. The client retries. */
export const OVERLOADED = 503;

/** Return the close code for a socket that Django or the server refuses. 404 becomes 4404, as for a plain WebSocket. */
export function ofRefusal(code: number, reason: string): Closing {
  if (code === OVERLOADED) return { code: TRY_LATER, reason };
  // The server has no namespace for sockets, so the site has none.
  if (code === UNKNOWN_CHANNEL) return { code: NOT_FOUND, reason };
  if (code === 500) return { code: FAILED, reason };
  return { code: code >= 400 && code < 500 ? 4000 + code : FORBIDDEN, reason };
}

/** Return the close code for a socket whose connection is closed for good. */
export function ofDisconnect(code: number, reason: string): Closing {
  if (code === CALLED) return { code: NORMAL, reason };
  if (code === UNAUTHORIZED) return { code: NOT_LOGGED_IN, reason };
  return { code: code >= 3000 ? code : ABNORMAL, reason };
}
