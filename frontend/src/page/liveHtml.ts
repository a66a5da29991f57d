/** Live HTML: applies changes of the page that Django sends (`instant.html` in Python). */

import { parseHtml } from "../core/scriptlessHtml.js";
import { isObject } from "../core/json.js";
import { morph } from "./morph.js";
import { Refresher } from "./refresh.js";

declare global {
  interface Window {
    htmx?: { process?(element: Element): void };
  }
}

/** Change `target`, and return the elements that are new or changed. */
type Change = (target: Element, html: string) => Element[];

const insert =
  (parentOf: (target: Element) => Element | null, before: (target: Element) => Node | null): Change =>
  (target, html) => {
    const parent = parentOf(target);
    if (parent === null) return [];
    const content = parseHtml(html);
    // An element with an id that exists already is replaced in its place, because a message may arrive twice.
    const known = [...content.children].flatMap((element) => {
      const old = element.id === "" ? null : parent.querySelector(`[id="${CSS.escape(element.id)}"]`);
      return old === null ? [] : [{ old, element }];
    });
    for (const { element } of known) element.remove();
    const added = [...content.children];
    parent.insertBefore(content, before(target));
    return [...added, ...known.flatMap(({ old, element }) => morph(old, [element], "outerHTML"))];
  };

const inside = (target: Element): Element => target;
const around = (target: Element): Element | null => target.parentElement;

const CHANGES: ReadonlyMap<unknown, Change> = new Map<string, Change>([
  ["append", insert(inside, () => null)],
  ["prepend", insert(inside, (target) => target.firstChild)],
  ["before", insert(around, (target) => target)],
  ["after", insert(around, (target) => target.nextSibling)],
  // Trimmed: otherwise each change would add white space around it.
  ["replace", (target, html) => morph(target, [...parseHtml(html.trim()).childNodes], "outerHTML")],
  ["update", (target, html) => morph(target, [...parseHtml(html).childNodes], "innerHTML")],
  [
    "remove",
    (target) => {
      target.remove();
      return [];
    },
  ],
]);

/** Applies the changes, and refreshes elements. */
export class LiveHtml {
  private readonly refresher = new Refresher((changed) => this.process(changed));

  /** `changed` is called after elements were added or changed. */
  constructor(private readonly changed: () => void) {}

  /** Apply the `data` of a message. Errors are logged to the console. */
  apply(data: unknown): void {
    const { action, target, html } = isObject(data) ? data : {};
    try {
      if (action === "refresh") return this.refresh(typeof target === "string" ? target : null);
      const change = CHANGES.get(action);
      if (change === undefined) throw new Error(`the action "${String(action)}" does not exist`);
      if (typeof target !== "string") throw new Error(`the action "${String(action)}" needs a target`);
      // Selected before the changes, so that the new elements are not targets.
      const elements = [...document.querySelectorAll(target)].filter((element) => element !== document.documentElement);
      const content = typeof html === "string" ? html : "";
      // An element that is missing may be in the response that is awaited.
      for (const element of elements.length > 0 ? elements : [document.documentElement]) this.changing(element);
      this.process(elements.flatMap((element) => (element.isConnected ? change(element, content) : [])));
    } catch (error) {
      console.error("instant: live HTML cannot be applied:", (error as Error).message);
    }
  }

  /** Load the elements of this selector from the server again; null means the whole page. */
  refresh(target: string | null): void {
    this.refresher.ask(target);
  }

  /** Report that a message changes an element. A refresh in progress must not undo this. */
  changing(element: Element): void {
    this.refresher.changing(element);
  }

  /** Let htmx and this script process new or changed elements. */
  process(changed: readonly Element[]): void {
    for (const element of changed) if (element.isConnected) window.htmx?.process?.(element);
    if (changed.length > 0) this.changed();
  }
}
