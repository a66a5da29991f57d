/** How to reach Django and the server; all may be left out on a page of the Django site itself. */
export interface Options {
  /** Where Django is, such as "https://example.org". Default: "", the page's own site. */
  backendUrl?: string;
  /** Where the server is. Default: what Django answers. Without a path, Centrifugo's own is added. */
  websocketUrl?: string;
  /** Where Django's urls.py includes instant.urls. Default: "/instant/". */
  prefix?: string;
  /** The WebSocket class where there is no global one: that of `ws` in Node before 22. */
  websocket?: unknown;
  /** Default: the global fetch. */
  fetch?: typeof fetch;
  /** Tell the console what happens. No token is ever printed. */
  debug?: boolean;
  /** An answer of get_token that Django rendered into the page: it saves the first request while it is fresh. */
  credentials?: unknown;
  /** The page's path, such as "/news/": of channels that belong to certain pages, only those of this one are joined. */
  path?: string;
  /**
   * Origins whose requests, by fetch and XMLHttpRequest, name this page's clients, so that Django can leave the sender
   * out: `[location.origin]`. page.js does it for its own origin. Default: none.
   */
  sendersTo?: readonly string[];
  /** Milliseconds until the server must have answered; more than Django's INSTANT_PROXY_TIMEOUT. Default: 5000. */
  timeout?: number;
  /** Milliseconds before the first attempt to come back. Default: 500. */
  minReconnectDelay?: number;
  /** The longest time between two attempts, in milliseconds. Default: 20000. */
  maxReconnectDelay?: number;
}

export const DEFAULT_PREFIX = "/instant/";
export const MIN_RECONNECT_DELAY = 500;
export const MAX_RECONNECT_DELAY = 20_000;
const SERVER_PATH = "/connection/websocket";

/** Return the full ws:// address of the server: `url` may be relative, start with http, or lack the path. */
export function serverAddress(url: string, base: string | undefined = globalThis.location?.href): string {
  const address = new URL(url, base);
  address.protocol = address.protocol.replace(/^http/, "ws");
  if (address.pathname === "/") address.pathname = SERVER_PATH;
  return address.href;
}
