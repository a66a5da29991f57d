/** Reads the arguments of the standard signals. What it throws is logged to the console. */

/** The elements that a signal is about. `target` and `selector` mean the same: a CSS selector. */
export interface TargetOpts {
  readonly target?: unknown;
  readonly selector?: unknown;
}

export function targets({ target, selector }: TargetOpts): Element[] {
  const found = target ?? selector;
  if (typeof found !== "string" || found === "") throw new Error("it has no target");
  return [...document.querySelectorAll(found)];
}

/** Return the full address of a page on this site. A blob: is refused, although its origin is the site's. */
export function ownAddress(url: unknown): string {
  if (typeof url !== "string" || url === "") throw new Error("it has no url");
  const { protocol, origin, href } = new URL(url, document.baseURI);
  if (origin !== location.origin || protocol !== location.protocol) throw new Error(`${href} is not on this site`);
  return href;
}

/** Return the words of a text, or of a list of texts. */
export function words(value: unknown): string[] {
  const all: unknown[] = Array.isArray(value) ? value : [value ?? ""];
  return all.flatMap((text) => String(text).split(/\s+/)).filter((word) => word !== "");
}
