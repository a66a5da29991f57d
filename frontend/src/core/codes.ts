/** Codes of Centrifugo and of its SDK, by which this package tells one reason from another. */

/** Of the SDK, for each change of state: the page itself asked for it. */
export const CALLED = 0;
/** Of the SDK, for a disconnect: there is no token for this user. */
export const UNAUTHORIZED = 1;

// Errors of Centrifugo, in answers to commands
export const UNKNOWN_CHANNEL = 102;
export const PERMISSION_DENIED = 103;
export const METHOD_NOT_FOUND = 104;
export const NOT_AVAILABLE = 108;
export const TOKEN_EXPIRED = 109;

/** Unsubscribe codes from here on come from the server; lower ones refuse the subscription. */
export const SERVER_UNSUBSCRIBED = 2000;
/** The server lost the state of a subscription, or of a connection: the client must subscribe or connect anew. */
export const SUBSCRIPTION_INVALIDATED = 2502;
export const CONNECTION_INVALIDATED = 3014;
export const INVALID_TOKEN = 3500;
/** The user has too many connections on this node of the server. The SDK does not reconnect; this package does. */
export const CONNECTION_LIMIT = 3504;
