/** Live HTML: changes of the page that Django rendered and sent (`instant.html.stream`). */

import { isObject } from "../message.js";
import { morph, withoutScripts } from "./morph.js";
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
    const content = parsed(html);
    // What is there already, by its id, is replaced where it stands: a message about it may come twice.
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
  // Trimmed, or each time more white space would stand around it.
  ["replace", (target, html) => morph(target, [...parsed(html.trim()).childNodes], "outerHTML")],
  ["update", (target, html) => morph(target, [...parsed(html).childNodes], "innerHTML")],
  [
    "remove",
    (target) => {
      target.remove();
      return [];
    },
  ],
]);

export class LiveHtml {
  private readonly refresher = new Refresher((changed) => this.announce(changed));

  /** `changed` is called when elements were put into the page. */
  constructor(private readonly changed: () => void) {}

  /** Do what the `data` of a message says; what is wrong with it is told to the console. */
  apply(data: unknown): void {
    const { action, target, html } = isObject(data) ? data : {};
    try {
      if (action === "refresh") return this.refresh(typeof target === "string" ? target : null);
      const change = CHANGES.get(action);
      if (change === undefined) throw new Error(`there is no action "${String(action)}"`);
      if (typeof target !== "string") throw new Error(`"${String(action)}" needs a target`);
      // The selector is applied once: what one change brings is no target of it.
      const elements = [...document.querySelectorAll(target)].filter((element) => element !== document.documentElement);
      const content = typeof html === "string" ? html : "";
      this.announce(elements.flatMap((element) => (element.isConnected ? change(element, content) : [])));
    } catch (error) {
      console.error("instant: live HTML that cannot be applied:", (error as Error).message);
    }
  }

  /** Load anew what this selector finds; null is the page. */
  refresh(target: string | null): void {
    this.refresher.ask(target);
  }

  /** Have all who need to know of these elements, which are new or changed, look at them. */
  announce(changed: readonly Element[]): void {
    for (const element of changed) if (element.isConnected) window.htmx?.process?.(element);
    if (changed.length > 0) this.changed();
  }
}

export function parsed(html: string): DocumentFragment {
  const template = document.createElement("template");
  template.innerHTML = html;
  withoutScripts(template.content);
  return document.importNode(template.content, true);
}
