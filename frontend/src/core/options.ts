/** How to reach Django and the server. On a page of the Django site itself, none is needed. */
export interface Options {
  /** The address of Django, such as "https://example.org". Default: "", the page's own site. */
  backendUrl?: string;
  /** The address of the server. Default: the one in Django's answer. Without a path, Centrifugo's own is added. */
  websocketUrl?: string;
  /** The path at which Django's urls.py includes instant.urls. Default: "/instant/". */
  prefix?: string;
  /** The WebSocket class if there is no global one: that of `ws` in Node before 22. */
  websocket?: unknown;
  /** Default: the global fetch. */
  fetch?: typeof fetch;
  /** Log to the console what happens. No token is ever printed. */
  debug?: boolean;
  /** An answer of get_token that Django rendered into the page. It saves the first request while its tokens are valid. */
  credentials?: unknown;
  /** The page's path, such as "/news/": of channels that belong to certain pages, only those of this one are joined. */
  path?: string;
  /**
   * Requests to these origins, by fetch and XMLHttpRequest, contain the ids of this page's clients, so that Django can
   * exclude the sender: `[location.origin]`. page.js sets it to its own origin. Default: none.
   */
  sendersTo?: readonly string[];
  /** Milliseconds to wait for the server's answer; more than Django's INSTANT_PROXY_TIMEOUT. Default: 5000. */
  timeout?: number;
  /** Milliseconds before the first attempt to reconnect. Default: 500. */
  minReconnectDelay?: number;
  /** The longest time between two attempts to reconnect, in milliseconds. Default: 20000. */
  maxReconnectDelay?: number;
  /**
   * Milliseconds before the next attempt when the server refuses a connection because the user has too many. The pause
   * is up to twice as long, at random. Default: 30000.
   */
  connectionLimitDelay?: number;
}

export const DEFAULT_PREFIX = "/instant/";
export const MIN_RECONNECT_DELAY = 500;
export const MAX_RECONNECT_DELAY = 20_000;
export const CONNECTION_LIMIT_DELAY = 30_000;
const SERVER_PATH = "/connection/websocket";

/** Return the full ws:// address of the server: `url` may be relative, start with http, or lack the path. */
export function serverAddress(url: string, base: string | undefined = globalThis.location?.href): string {
  const address = new URL(url, base);
  address.protocol = address.protocol.replace(/^http/, "ws");
  if (address.pathname === "/") address.pathname = SERVER_PATH;
  return address.href;
}
