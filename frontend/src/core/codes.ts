/**
 * Codes of Centrifugo and of its SDK that this package handles.
 * Source: https://centrifugal.dev/docs/server/codes and the `codes.ts` of centrifuge-js.
 */

/** SDK: the page itself caused the change of state. */
export const CALLED = 0;
/** SDK, for a disconnect: there is no token for this user. */
export const UNAUTHORIZED = 1;

// Centrifugo's error codes, in replies to commands
export const UNKNOWN_CHANNEL = 102;
export const PERMISSION_DENIED = 103;
export const METHOD_NOT_FOUND = 104;
export const NOT_AVAILABLE = 108;
export const TOKEN_EXPIRED = 109;

/** Unsubscribe codes of at least this value come from the server. Lower ones mean that the subscription was refused. */
export const SERVER_UNSUBSCRIBED = 2000;
/** The server lost the state of a subscription, or of a connection: the client must subscribe or connect again. */
export const SUBSCRIPTION_INVALIDATED = 2502;
export const CONNECTION_INVALIDATED = 3014;
export const INVALID_TOKEN = 3500;
/** The user has too many connections on this server node. The SDK does not reconnect after it; this package does. */
export const CONNECTION_LIMIT = 3504;
