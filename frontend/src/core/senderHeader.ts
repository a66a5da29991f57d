/** Adds the header with the ids of this page's clients to the page's requests by fetch and XMLHttpRequest. */

import { ConfigurationError } from "./errors.js";
import { SENDER_HEADER } from "./protocol.js";

/**
 * One client of the page. If a page contains several copies of this script, they share the list of entries. So the
 * names of the properties must not change between releases.
 */
interface Entry {
  readonly senders: { readonly value: string };
  readonly origins: ReadonlySet<string>;
}

interface Page {
  /** The shared list. With it, several copies of this script replace `fetch` only once. */
  [KEY]?: Entry[];
}

const KEY = Symbol.for("django-instant.senders");
const page = globalThis as typeof globalThis & Page;

/**
 * Add the header to all requests to these origins. Its value is `senders.value` at the time of the request. Throws
 * `ConfigurationError` if an origin is not a URL.
 */
export function addHeaderToRequests(senders: Entry["senders"], origins: readonly string[]): void {
  const named = new Set(origins.map(originOf));
  if (page[KEY] === undefined) {
    page[KEY] = [];
    replaceFetch();
    if (typeof XMLHttpRequest !== "undefined") replaceXhr(XMLHttpRequest.prototype);
  }
  page[KEY].push({ senders, origins: named });
}

function originOf(text: string): string {
  try {
    return new URL(text).origin;
  } catch {
    throw new ConfigurationError(`sendersTo contains "${text}", which is not an origin such as "https://example.org"`);
  }
}

/** Return the header's value for this address, or "" to send no header. A page may have several clients. */
function valueFor(address: string): string {
  try {
    const { protocol, origin } = new URL(address, globalThis.document?.baseURI);
    // A blob: URL has the origin of its page, but causes no request.
    if (protocol !== "http:" && protocol !== "https:") return "";
    const named = (page[KEY] ?? []).filter(({ origins }) => origins.has(origin));
    return named.flatMap(({ senders }) => senders.value || []).join();
  } catch {
    return ""; // not a URL: the browser reports it
  }
}

function replaceFetch(): void {
  const original = page.fetch;
  page.fetch = function (this: unknown, input, init) {
    const request = typeof Request !== "undefined" && input instanceof Request ? input : null;
    const value = valueFor(request?.url ?? String(input));
    if (value === "") return original.call(globalThis, input, init);
    const headers = new Headers(init?.headers ?? request?.headers);
    if (!headers.has(SENDER_HEADER)) headers.set(SENDER_HEADER, value);
    return original.call(globalThis, input, { ...init, headers });
  };
}

function replaceXhr(prototype: XMLHttpRequest): void {
  const { open, setRequestHeader, send } = prototype;
  const addresses = new WeakMap<XMLHttpRequest, string>();
  prototype.open = function (this: XMLHttpRequest, method: string, url: string | URL, ...rest: unknown[]) {
    addresses.set(this, String(url));
    // `rest` begins with `async`, unless the caller left it out. Then undefined must not be passed. XMLHttpRequest
    // treats undefined as false, and the request would block.
    return Reflect.apply(open, this, [method, url, ...rest]) as void;
  };
  prototype.setRequestHeader = function (this: XMLHttpRequest, name, value) {
    // The page sets the header itself. A second value would be appended to its value.
    if (name.toLowerCase() === SENDER_HEADER.toLowerCase()) addresses.delete(this);
    return setRequestHeader.call(this, name, value);
  };
  prototype.send = function (this: XMLHttpRequest, body) {
    const value = valueFor(addresses.get(this) ?? "data:");
    if (value !== "") setRequestHeader.call(this, SENDER_HEADER, value);
    return send.call(this, body);
  };
}
