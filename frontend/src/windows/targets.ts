/** What signals from Django name. Whoever calls these is told of a signal that is wrong by an error in the console. */

/** Where it is: `target` and `selector` are one, a CSS selector. */
export interface TargetOpts {
  readonly target?: unknown;
  readonly selector?: unknown;
}

export function targets({ target, selector }: TargetOpts): Element[] {
  const found = target ?? selector;
  if (typeof found !== "string" || found === "") throw new Error("it has no target");
  return [...document.querySelectorAll(found)];
}

/** Return a full address, which must be one of this site. A blob: has its origin, and is no address of it. */
export function ownAddress(url: unknown): string {
  if (typeof url !== "string" || url === "") throw new Error("it has no url");
  const { protocol, origin, href } = new URL(url, document.baseURI);
  if (origin !== location.origin || protocol !== location.protocol) throw new Error(`${href} is not on this site`);
  return href;
}

/** The words of a text, or of a list of texts. */
export function words(value: unknown): string[] {
  const all: unknown[] = Array.isArray(value) ? value : [value ?? ""];
  return all.flatMap((text) => String(text).split(/\s+/)).filter((word) => word !== "");
}
