/** Why a socket is closed, as a CloseEvent has it. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
}

export const NORMAL = 1000;
/** `close()` without a code, and an end without a word. */
export const NO_STATUS = 1005;
/** The connection was lost. */
export const ABNORMAL = 1006;
const TRY_LATER = 1013;
const NOT_LOGGED_IN = 4401;
const FORBIDDEN = 4403;
const UNKNOWN = 4404;
const FAILED = 4500;

/** What Django says where too many sockets are open, or the worker is about to stop: that passes. */
export const OVERLOADED = 503;
/** Of the server, where a site has no sockets at all. */
const UNKNOWN_CHANNEL = 102;
/** Of the session: `disconnect()` or `logout()` was called; nobody is logged in. */
const CALLED = 0;
export const UNAUTHORIZED = 1;

/** How a socket is closed that Django or the server does not let in: 404 is 4404, as for a plain WebSocket. */
export function ofRefusal(code: number, reason: string): Closing {
  if (code === OVERLOADED) return { code: TRY_LATER, reason };
  if (code === UNKNOWN_CHANNEL) return { code: UNKNOWN, reason };
  if (code === 500) return { code: FAILED, reason };
  return { code: code >= 400 && code < 500 ? 4000 + code : FORBIDDEN, reason };
}

/** How a socket is closed whose page will have no connection any more. */
export function ofDisconnect(code: number, reason: string): Closing {
  if (code === CALLED) return { code: NORMAL, reason };
  if (code === UNAUTHORIZED) return { code: NOT_LOGGED_IN, reason };
  return { code: code >= 3000 ? code : ABNORMAL, reason };
}
