/** Parsing of the arguments of the standard signals. Its errors are logged to the console. */

/** The arguments that select elements. `target` and `selector` are synonyms: a CSS selector. */
export interface TargetOpts {
  readonly target?: unknown;
  readonly selector?: unknown;
}

/** Return the selected elements. Throws if there is no selector. */
export function targets({ target, selector }: TargetOpts): Element[] {
  const found = target ?? selector;
  if (typeof found !== "string" || found === "") throw new Error("the argument `target` is missing");
  return [...document.querySelectorAll(found)];
}

/** Return the full address of a page on this site. Throws for other sites, and for blob: URLs of this site. */
export function ownAddress(url: unknown): string {
  if (typeof url !== "string" || url === "") throw new Error("the argument `url` is missing");
  const { protocol, origin, href } = new URL(url, document.baseURI);
  if (origin !== location.origin || protocol !== location.protocol) throw new Error(`${href} is not on this site`);
  return href;
}

/** Split a text, or a list of texts, into words. */
export function words(value: unknown): string[] {
  const all: unknown[] = Array.isArray(value) ? value : [value ?? ""];
  return all.flatMap((text) => String(text).split(/\s+/)).filter((word) => word !== "");
}
