/** `instant.liveList`: a list of elements in step with a table. */

import { EVENTS_PREFIX } from "../protocol.js";
import { ConfigurationError } from "../errors.js";
import type { Undo } from "../listeners.js";
import type { JsonValue } from "../message.js";
import type { Fields, InstantEvent, InstantEvents } from "../modelEvents.js";
import { FIELD, fieldText, itemMaker, type MakeItem } from "./item.js";
import { morph } from "./morph.js";

export interface LiveListOptions<Data = Fields> {
  /** Where a new item goes: "append" (default), "prepend", or a field by which all are ordered; "-field": downwards. */
  order?: string;
  /** Which objects are in the list; one that is so no longer is taken out. */
  filter?: (data: Data) => boolean;
  /** The channel to join. Default: that of the event class, "$events.blog.Post"; null: none, it is joined already. */
  channel?: string | null;
  /** What is shown only while the list has no items, or its id. */
  empty?: Element | string;
  /** Load the list anew from this page's address, when messages were missed. It needs an id. Default: false. */
  refresh?: boolean;
}

/** `instant.liveList`. The undo leaves the list as it is. */
export type MakeLiveList = <Data = Fields>(
  element: Element | string,
  name: string,
  template: HTMLTemplateElement | string | MakeItem<Data>,
  options?: LiveListOptions<Data>,
) => Undo;

/** What a list needs from the page's engine. */
export interface LiveListHost {
  readonly events: InstantEvents;
  /** Join a channel, as soon as the page connects. */
  want(channel: string): void;
  /** Load anew what this selector finds. */
  refresh(target: string): void;
  /** These elements were put into the page. */
  changed(elements: readonly Element[]): void;
}

/** The object's key, on each item. */
const PK = "data-pk";
/** What an item is ordered by, if that is not to be read in it. */
const ORDER = "data-order";

export function liveLists(host: LiveListHost): MakeLiveList {
  return (element, name, template, options = {}) => {
    const list = new LiveList(host, named(element), itemMaker(template), options);
    return list.follow(name, options.channel === undefined ? EVENTS_PREFIX + name : options.channel);
  };
}

class LiveList<Data> {
  /** What the items are ordered by; null: by when they came. */
  private readonly field: string | null;
  private readonly downwards: boolean;
  private readonly empty: Element | null;

  constructor(
    private readonly host: LiveListHost,
    private readonly element: Element,
    private readonly make: MakeItem<Data>,
    private readonly options: LiveListOptions<Data>,
  ) {
    const { order = "append", empty, refresh } = options;
    this.field = order === "append" || order === "prepend" ? null : order.replace(/^-/, "");
    this.downwards = order.startsWith("-");
    this.empty = empty === undefined ? null : named(empty);
    if (refresh === true && element.id === "") throw new ConfigurationError("a live list that is refreshed needs an id");
  }

  follow(name: string, channel: string | null): Undo {
    const undo = this.host.events.on<Data>(name, (_data, event) => this.apply(event));
    const missed = (happened: Event): void => {
      if ((happened as CustomEvent<{ channel: string }>).detail.channel === channel) this.refresh();
    };
    document.addEventListener("instant:missed", missed);
    // Others than this list may put items in, or take them out: live HTML, and a refresh.
    const observer = new MutationObserver(() => this.showEmpty());
    observer.observe(this.element, { childList: true });
    this.showEmpty();
    if (channel !== null) this.host.want(channel);
    return () => {
      undo();
      document.removeEventListener("instant:missed", missed);
      observer.disconnect();
    };
  }

  /** A message may come twice, and one may be of what the page was rendered with: so each says how it is now. */
  private apply(event: InstantEvent<Data>): void {
    if (event.operation === null) return;
    const { filter } = this.options;
    const old = this.find(event.pk);
    if (event.operation === "delete" || (filter !== undefined && !filter(event.data))) old?.remove();
    else this.put(old, this.item(event));
  }

  private refresh(): void {
    if (this.options.refresh === true) this.host.refresh(`[id="${CSS.escape(this.element.id)}"]`);
  }

  private get items(): Element[] {
    return [...this.element.children].filter((child) => child.hasAttribute(PK));
  }

  private find(pk: JsonValue): Element | undefined {
    const key = textOf(pk);
    return this.items.find((item) => item.getAttribute(PK) === key);
  }

  private item(event: InstantEvent<Data>): Element {
    const item = this.make(event.data, event);
    item.setAttribute(PK, textOf(event.pk));
    if (this.field !== null) item.setAttribute(ORDER, fieldText(event.data, this.field));
    return item;
  }

  private put(old: Element | undefined, item: Element): void {
    if (old === undefined) {
      this.element.insertBefore(item, this.placeOf(item, this.items));
      return this.host.changed([item]);
    }
    const changed = morph(old, [item], "outerHTML");
    const [there] = changed;
    if (there !== undefined && this.field !== null) this.settle(there);
    this.host.changed(changed);
  }

  /** Move an item to its place, unless it is there: a move may take the focus away. */
  private settle(item: Element): void {
    const { items } = this;
    const index = items.indexOf(item);
    const [before, after] = [items[index - 1], items[index + 1]];
    if ((before === undefined || !this.isAfter(before, item)) && (after === undefined || !this.isAfter(item, after))) return;
    const focused = item.contains(document.activeElement) ? document.activeElement : null;
    this.element.insertBefore(item, this.placeOf(item, items.filter((other) => other !== item)));
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  }

  /** Return what a new item goes before: an item, or what stands there that is none. */
  private placeOf(item: Element, items: Element[]): Node | null {
    if (this.field !== null) {
      const next = items.find((other) => this.isAfter(other, item));
      if (next !== undefined) return next;
    }
    const [first, last] = [items[0], items[items.length - 1]];
    if (this.options.order === "prepend") return first ?? this.element.firstChild;
    return last === undefined ? null : last.nextSibling;
  }

  private isAfter(one: Element, other: Element): boolean {
    const order = compared(this.keyOf(one), this.keyOf(other));
    return this.downwards ? order < 0 : order > 0;
  }

  private keyOf(item: Element): string {
    const set = item.getAttribute(ORDER);
    if (set !== null) return set;
    const selector = `[${FIELD}="${CSS.escape(this.field ?? "")}"]`;
    return ((item.matches(selector) ? item : item.querySelector(selector))?.textContent ?? "").trim();
  }

  private showEmpty(): void {
    this.empty?.toggleAttribute("hidden", this.items.length > 0);
  }
}

function named(element: Element | string): Element {
  const found = typeof element === "string" ? document.getElementById(element) : element;
  if (found === null) throw new ConfigurationError(`the page has no element with the id "${String(element)}"`);
  return found;
}

function textOf(pk: JsonValue): string {
  return typeof pk === "object" ? JSON.stringify(pk) : String(pk);
}

/** Numbers as numbers, all else as text. */
function compared(one: string, other: string): number {
  const [first, second] = [one, other].map((text) => (text === "" ? NaN : Number(text)));
  if (first !== undefined && second !== undefined && !isNaN(first) && !isNaN(second)) return first - second;
  return one < other ? -1 : Number(one > other);
}
