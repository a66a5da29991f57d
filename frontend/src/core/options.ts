/** Options of `useInstant()`. A page of the Django site itself needs none of them. */
export interface Options {
  /** The address of Django, such as "https://example.org". Default: "", the page's own site. */
  backendUrl?: string;
  /** The address of the server. Default: the one in Django's answer. Without a path, /connection/websocket is added. */
  websocketUrl?: string;
  /** The path at which Django's urls.py includes instant.urls. Default: "/instant/". */
  prefix?: string;
  /** The WebSocket class. Default: the global one. Node before 22 has none: pass that of the package `ws`. */
  websocket?: unknown;
  /** The `fetch` function. Default: the global one. */
  fetch?: typeof fetch;
  /** Log debug messages to the console. Tokens are never logged. Default: false. */
  debug?: boolean;
  /**
   * The response of Django's view get_token, if Django has rendered it into the page. While its tokens are valid, the
   * client connects without a request to Django.
   */
  credentials?: unknown;
  /** The page's path, such as "/news/". Channels that are declared for certain paths are joined only if it matches. */
  path?: string;
  /**
   * Origins, such as `[location.origin]`. Requests to them by fetch and XMLHttpRequest get a header with the ids of
   * this page's connections, so that Django can exclude the sender. Default: none. In pages with
   * `{% instant_client %}`, it is the page's own origin.
   */
  sendersTo?: readonly string[];
  /** Milliseconds to wait for an answer of the server. It must exceed Django's INSTANT_PROXY_TIMEOUT. Default: 5000. */
  timeout?: number;
  /** Milliseconds before the first attempt to reconnect. Default: 500. */
  minReconnectDelay?: number;
  /** The longest time between two attempts to reconnect, in milliseconds. Default: 20000. */
  maxReconnectDelay?: number;
  /**
   * Milliseconds before the next attempt when the server refuses a connection because the user has too many. The actual
   * delay is random, up to twice as long. Default: 30000.
   */
  connectionLimitDelay?: number;
}

export const DEFAULT_PREFIX = "/instant/";
export const MIN_RECONNECT_DELAY = 500;
export const MAX_RECONNECT_DELAY = 20_000;
export const CONNECTION_LIMIT_DELAY = 30_000;
const SERVER_PATH = "/connection/websocket";

/**
 * Return the full ws:// or wss:// address of the server. `url` may be relative, start with http, or lack the path.
 * Throws a TypeError if it is not a URL.
 */
export function serverAddress(url: string, base: string | undefined = globalThis.location?.href): string {
  const address = new URL(url, base);
  address.protocol = address.protocol.replace(/^http/, "ws");
  if (address.pathname === "/") address.pathname = SERVER_PATH;
  return address.href;
}
