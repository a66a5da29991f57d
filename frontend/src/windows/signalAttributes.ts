/** The attribute `data-df-signal`, by which elements call a signal when a DOM event happens. */

import { isObject, type JsonObject } from "../core/json.js";
import { formFields, valueOf } from "./formFields.js";

const ATTRIBUTE = "data-df-signal";
const CONTROLS = "input, select, textarea, button, [contenteditable]";
const LINKS = "a[href], area[href]";
/** Elements whose default action is prevented on a click. Others, such as checkboxes, need theirs to change. */
const PREVENTED = `${LINKS}, button:not([type=button]), input:is([type=submit], [type=image], [type=reset])`;
/** The delay in an event such as "input delay:300". The template tag has no other argument for it. */
const DELAY = /\s+delay:(\d+)(?:ms)?$/;

/** One signal of an element's attribute. */
interface Declared {
  readonly name: string;
  /** The name of the DOM event. */
  readonly on: string;
  /** The name of the argument for the form's fields. */
  readonly form: string | null;
  /** The name of the argument for the element's value. */
  readonly value: string | null;
  readonly opts: JsonObject;
  /** The debounce delay in milliseconds: the signal is called after this time without another event. */
  readonly delay: number;
  /** Whether the browser's default action is kept. */
  readonly keepsDefault: boolean;
}

type Call = (name: string, opts: object, element: Element) => void;

/** Listens on the document, so that elements and attributes may be added at any time. */
export class SignalAttributes {
  private readonly known = new WeakMap<Element, { readonly text: string; readonly all: readonly Declared[] }>();
  private readonly timers = new WeakMap<Declared, ReturnType<typeof setTimeout>>();
  private readonly events = new Set<string>();

  constructor(private readonly call: Call) {}

  start(): void {
    this.find(document);
    const observer = new MutationObserver((changes) => {
      for (const { target, addedNodes } of changes) {
        if (target instanceof Element) this.listenFor(target);
        for (const node of addedNodes) if (node instanceof Element) this.find(node);
      }
    });
    observer.observe(document, { childList: true, subtree: true, attributeFilter: [ATTRIBUTE] });
  }

  private find(root: Document | Element): void {
    if (root instanceof Element) this.listenFor(root);
    for (const element of root.querySelectorAll(`[${ATTRIBUTE}]`)) this.listenFor(element);
  }

  private listenFor(element: Element): void {
    for (const { on } of this.of(element)) {
      if (this.events.has(on)) continue;
      this.events.add(on);
      // An event that does not bubble reaches the document only in the capture phase.
      document.addEventListener(on, (event) => event.bubbles || this.happened(event, event.composedPath().slice(0, 1)), true);
      document.addEventListener(on, (event) => event.bubbles && this.happened(event, event.composedPath()));
    }
  }

  /** Return the signals of an element. The parsed attribute is cached until its text changes. */
  private of(element: Element): readonly Declared[] {
    const text = element.getAttribute(ATTRIBUTE);
    if (text === null) return [];
    const known = this.known.get(element);
    if (known?.text === text) return known.all;
    const all = declared(text, element);
    this.known.set(element, { text, all });
    return all;
  }

  private happened(event: Event, path: readonly EventTarget[]): void {
    // A script of the page prevented the event, for example after the user declined a confirmation.
    if (event.defaultPrevented && ["click", "submit"].includes(event.type)) return;
    for (const element of path) {
      if (!(element instanceof Element)) continue;
      for (const one of this.of(element)) {
        if (one.on !== event.type || opensNewTab(event, element)) continue;
        if (!one.keepsDefault && hasPreventedDefault(event, element)) event.preventDefault();
        this.schedule(one, element, sourceOf(event, element));
      }
    }
  }

  private schedule(one: Declared, element: Element, source: Element): void {
    const run = (): void => this.call(one.name, filled(one, element, source), element);
    clearTimeout(this.timers.get(one));
    if (one.delay === 0) run();
    else this.timers.set(one, setTimeout(run, one.delay));
  }
}

function declared(text: string, element: Element): Declared[] {
  try {
    const content = JSON.parse(text) as unknown;
    return [content].flat().map((item) => read(item, element));
  } catch (error) {
    console.error(`instant: the attribute ${ATTRIBUTE} is invalid: ${(error as Error).message}`, element);
    return [];
  }
}

function read(item: unknown, element: Element): Declared {
  if (!isObject(item) || typeof item["name"] !== "string") throw new Error("each signal must be an object with a name");
  const { name, on, form, value, opts, delay } = item;
  const event = typeof on === "string" && on !== "" ? on : defaultEvent(element);
  return {
    name,
    on: event.replace(DELAY, ""),
    form: typeof form === "string" && form !== "" ? form : null,
    value: typeof value === "string" && value !== "" ? value : null,
    opts: isObject(opts) ? opts : {},
    delay: typeof delay === "number" ? delay : Number(DELAY.exec(event)?.[1] ?? 0),
    keepsDefault: item["default"] === true,
  };
}

function defaultEvent(element: Element): string {
  if (element instanceof HTMLFormElement) return "submit";
  return element.matches("select, textarea, input:not([type=submit], [type=image], [type=reset], [type=button])") ? "change" : "click";
}

/** Return whether a click opens a link in another tab or window. */
function opensNewTab(event: Event, element: Element): boolean {
  if (!(event instanceof MouseEvent) || event.type !== "click" || !element.matches(LINKS)) return false;
  return event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0;
}

function hasPreventedDefault({ type }: Event, element: Element): boolean {
  return type === "submit" || (type === "click" && element.matches(PREVENTED));
}

/** Return the control that caused an event: the element, or a control inside it; for a submit, the button. */
function sourceOf(event: Event, element: Element): Element {
  if (event instanceof SubmitEvent) return event.submitter ?? element;
  if (element.matches(CONTROLS)) return element;
  const [target] = event.composedPath();
  return (target instanceof Element ? target.closest(CONTROLS) : null) ?? element;
}

function filled({ form, value, opts }: Declared, element: Element, source: Element): object {
  return {
    ...opts,
    ...(form === null ? {} : { [form]: formFields(element, source === element ? null : submitting(source)) }),
    ...(value === null ? {} : { [value]: valueOf(source) }),
  };
}

/** Return the control if it is a submit button. The form's fields already include all other controls. */
function submitting(source: Element): Element | null {
  return source.matches("button, input[type=submit]") ? source : null;
}
