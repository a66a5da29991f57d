/** `instant.liveList`: a list of elements that is updated by the events of a model. */

import { ConfigurationError } from "../core/errors.js";
import type { JsonValue } from "../core/json.js";
import type { Undo } from "../core/listeners.js";
import type { Fields, InstantEvent, InstantEvents } from "../core/modelEvents.js";
import { EVENTS_PREFIX } from "../core/protocol.js";
import { FIELD, fieldText, itemMaker, type MakeItem } from "./itemMaker.js";
import { morph } from "./morph.js";

/** Options of `instant.liveList`. */
export interface LiveListOptions<Data = Fields> {
  /** "append" (default), "prepend", or the name of the field by which the list is sorted; "-field" sorts descending. */
  order?: string;
  /** Return whether an object belongs in the list. Items for which it becomes false are removed. */
  filter?: (data: Data) => boolean;
  /** The channel to join. Default: that of the event class, such as "$events.blog.Post". Null: join no channel. */
  channel?: string | null;
  /** An element, or its id, that is shown only while the list has no items. */
  empty?: Element | string;
  /** Load the list from this page's address if messages were lost. The list needs an id. Default: false. */
  refresh?: boolean;
}

/**
 * The type of `instant.liveList`. The returned function stops the updates and leaves the items in the page. Throws
 * `ConfigurationError` if an element or the template is missing or invalid.
 */
export type MakeLiveList = <Data = Fields>(
  element: Element | string,
  name: string,
  template: HTMLTemplateElement | string | MakeItem<Data>,
  options?: LiveListOptions<Data>,
) => Undo;

/** The page's engine, as a list uses it. */
export interface LiveListHost {
  readonly events: InstantEvents;
  /** Join a channel, now or once the page connects. */
  want(channel: string): void;
  /** Load the elements of this selector from this page's address. */
  refresh(target: string): void;
  /** Report that an event changes an element. A refresh in progress must not undo this. */
  changing(element: Element): void;
  /** Process elements that were added or changed. */
  changed(elements: readonly Element[]): void;
}

/** The attribute of each item with the object's primary key. */
const PK = "data-pk";
/** The attribute of an item with the value by which it is sorted. Without it, the text of the field is used. */
const ORDER = "data-order";

/** Return the function `instant.liveList` of a page. */
export function liveLists(host: LiveListHost): MakeLiveList {
  return (element, name, template, options = {}) => {
    const list = new LiveList(host, toElement(element), itemMaker(template), options);
    return list.follow(name, options.channel === undefined ? EVENTS_PREFIX + name : options.channel);
  };
}

class LiveList<Data> {
  /** The field by which the items are sorted; null if they are not sorted. */
  private readonly field: string | null;
  private readonly descending: boolean;
  private readonly empty: Element | null;

  constructor(
    private readonly host: LiveListHost,
    private readonly element: Element,
    private readonly make: MakeItem<Data>,
    private readonly options: LiveListOptions<Data>,
  ) {
    const { order = "append", empty, refresh } = options;
    this.field = order === "append" || order === "prepend" ? null : order.replace(/^-/, "");
    this.descending = order.startsWith("-");
    this.empty = empty === undefined ? null : toElement(empty);
    if (refresh === true && element.id === "") throw new ConfigurationError("a live list with the option `refresh` needs an id");
  }

  follow(name: string, channel: string | null): Undo {
    const undo = this.host.events.on<Data>(name, (_data, event) => this.apply(event));
    const missed = (happened: Event): void => {
      if ((happened as CustomEvent<{ channel: string }>).detail.channel === channel) this.refresh();
    };
    document.addEventListener("instant:missed", missed);
    // Live HTML and refreshes may also add and remove items.
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

  /** Apply an event. It may arrive twice, or be older than the page, so it sets the item regardless of its state. */
  private apply(event: InstantEvent<Data>): void {
    if (event.operation === null) return;
    this.host.changing(this.element);
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
    const [present] = changed;
    if (present !== undefined && this.field !== null) this.sortIn(present);
    this.host.changed(changed);
  }

  /** Move an item to its place. An item in its place is not moved, because moving may remove the focus. */
  private sortIn(item: Element): void {
    const { items } = this;
    const index = items.indexOf(item);
    const [before, after] = [items[index - 1], items[index + 1]];
    if ((before === undefined || !this.isAfter(before, item)) && (after === undefined || !this.isAfter(item, after))) return;
    const focused = item.contains(document.activeElement) ? document.activeElement : null;
    this.element.insertBefore(item, this.placeOf(item, items.filter((other) => other !== item)));
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  }

  /** Return the node before which a new item is inserted: an item or another node; null means the end. */
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
    return this.descending ? order < 0 : order > 0;
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

function toElement(element: Element | string): Element {
  const found = typeof element === "string" ? document.getElementById(element) : element;
  if (found === null) throw new ConfigurationError(`the page has no element with the id "${String(element)}"`);
  return found;
}

function textOf(pk: JsonValue): string {
  return typeof pk === "object" ? JSON.stringify(pk) : String(pk);
}

/** Compare two values as numbers if both are numbers, else as text. */
function compared(one: string, other: string): number {
  if (INTEGER.test(one) && INTEGER.test(other)) return comparedIntegers(one, other);
  const [first, second] = [one, other].map((text) => (text === "" ? NaN : Number(text)));
  if (first !== undefined && second !== undefined && !isNaN(first) && !isNaN(second)) return first - second;
  return one < other ? -1 : Number(one > other);
}

/** Integers are compared as text, because large ones lose precision as numbers. */
const INTEGER = /^-?(0|[1-9]\d*)$/;

function comparedIntegers(one: string, other: string): number {
  const [first, second] = [one, other].map((text) => text.startsWith("-"));
  if (first !== second) return first === true ? -1 : 1;
  const order = one.length - other.length || (one < other ? -1 : Number(one > other));
  return first === true ? -order : order;
}
