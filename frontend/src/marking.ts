/** Puts the ids of a page's clients into the page's own requests. */

import { SENDER_HEADER } from "./protocol.js";
import { ConfigurationError } from "./errors.js";
import type { Senders } from "./senders.js";

interface Marked {
  readonly senders: Senders;
  readonly origins: ReadonlySet<string>;
}

interface Place {
  /** One list for the page, however many copies of this script are in it: each function is replaced once. */
  [KEY]?: Marked[];
}

const KEY = Symbol.for("django-instant.senders");
const place = globalThis as typeof globalThis & Place;

/** Have all requests to these origins carry the header. */
export function mark(senders: Senders, origins: readonly string[]): void {
  const named = new Set(origins.map(originOf));
  if (place[KEY] === undefined) {
    place[KEY] = [];
    markFetch();
    if (typeof XMLHttpRequest !== "undefined") markXhr(XMLHttpRequest.prototype);
  }
  place[KEY].push({ senders, origins: named });
}

function originOf(text: string): string {
  try {
    return new URL(text).origin;
  } catch {
    throw new ConfigurationError(`sendersTo has origins, as "https://example.org", not "${text}"`);
  }
}

/** What to send to this address; "" for nothing. The one page may have several clients. */
function valueFor(address: string): string {
  try {
    const { protocol, origin } = new URL(address, globalThis.document?.baseURI);
    // The origin of a blob: is that of its page, and there is no request.
    if (protocol !== "http:" && protocol !== "https:") return "";
    const named = (place[KEY] ?? []).filter(({ origins }) => origins.has(origin));
    return named.flatMap(({ senders }) => senders.value || []).join();
  } catch {
    return ""; // no address: the browser's own error says so
  }
}

function markFetch(): void {
  const original = place.fetch;
  place.fetch = function (this: unknown, input, init) {
    const request = typeof Request !== "undefined" && input instanceof Request ? input : null;
    const value = valueFor(request?.url ?? String(input));
    if (value === "") return original.call(globalThis, input, init);
    const headers = new Headers(init?.headers ?? request?.headers);
    if (!headers.has(SENDER_HEADER)) headers.set(SENDER_HEADER, value);
    return original.call(globalThis, input, { ...init, headers });
  };
}

function markXhr(prototype: XMLHttpRequest): void {
  const { open, setRequestHeader, send } = prototype;
  const addresses = new WeakMap<XMLHttpRequest, string>();
  prototype.open = function (this: XMLHttpRequest, method: string, url: string | URL, ...rest: unknown[]) {
    addresses.set(this, String(url));
    // Not undefined where it was left out: that would be false, and a request that blocks the page.
    return Reflect.apply(open, this, [method, url, ...rest]) as void;
  };
  prototype.setRequestHeader = function (this: XMLHttpRequest, name, value) {
    // The page does it itself: a second value would stand beside the first.
    if (name.toLowerCase() === SENDER_HEADER.toLowerCase()) addresses.delete(this);
    return setRequestHeader.call(this, name, value);
  };
  prototype.send = function (this: XMLHttpRequest, body) {
    const value = valueFor(addresses.get(this) ?? "data:");
    if (value !== "") setRequestHeader.call(this, SENDER_HEADER, value);
    return send.call(this, body);
  };
}
