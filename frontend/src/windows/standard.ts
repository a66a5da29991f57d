/** The signals that every project would write: what Django may do to a page. */

import { isObject } from "../message.js";
import { download } from "./download.js";
import { showMessages } from "./notices.js";
import type { Signals } from "./signals.js";
import { ownAddress, type TargetOpts, targets, words } from "./targets.js";

/** Connect them; `stream` applies the `data` of a message of live HTML. */
export function connectStandard(signals: Signals, stream: (data: unknown) => void): void {
  const live = (action: string) => (opts: TargetOpts & { readonly html?: unknown }) =>
    stream({ action, target: opts.target ?? opts.selector, html: opts.html });
  signals.connect("html.replace", live("replace"));
  signals.connect("html.append", live("append"));
  signals.connect("html.remove", live("remove"));
  signals.connect("html.attr", setAttributes);
  signals.connect("html.class", setClasses);
  signals.connect("messages.add", showMessages);
  signals.connect("page.reload", () => location.reload());
  signals.connect("page.redirect", redirect);
  signals.connect("download", download);
}

/** Attributes that are code, which no signal brings, or HTML with it. */
const CODE = /^on|^srcdoc$/i;
/** As browsers read an address: they leave out white space and control characters. */
const SCRIPT_ADDRESS = /^[\s\0-\x1f]*j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t\s*:/i;

interface AttributeOpts extends TargetOpts {
  readonly name?: unknown;
  readonly value?: unknown;
  /** Several of them, by name. */
  readonly attrs?: unknown;
}

/** Set attributes; null and false take one away, and true stands for one without a value. */
function setAttributes(opts: AttributeOpts): void {
  const attributes = isObject(opts.attrs) ? Object.entries(opts.attrs) : [[String(opts.name ?? ""), opts.value] as const];
  for (const [name, value] of attributes) {
    if (name === "") throw new Error("it has no name of an attribute");
    if (CODE.test(name) || SCRIPT_ADDRESS.test(String(value))) throw new Error(`it would set ${name} to a script`);
  }
  for (const element of targets(opts)) {
    for (const [name, value] of attributes) setAttribute(element, name, value ?? null);
  }
}

function setAttribute(element: Element, name: string, value: unknown): void {
  if (value === null || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
  // What the user sees of a control is no longer its attribute, once something was typed or chosen.
  if (name === "value" && "value" in element) element.value = value === null || value === false ? "" : String(value);
  if (name === "checked" && "checked" in element) element.checked = value !== null && value !== false;
}

interface ClassOpts extends TargetOpts {
  readonly add?: unknown;
  readonly remove?: unknown;
  readonly toggle?: unknown;
}

function setClasses(opts: ClassOpts): void {
  for (const { classList } of targets(opts)) {
    classList.remove(...words(opts.remove));
    classList.add(...words(opts.add));
    for (const name of words(opts.toggle)) classList.toggle(name);
  }
}

function redirect(opts: { readonly url?: unknown; readonly replace?: unknown }): void {
  const address = ownAddress(opts.url);
  if (opts.replace === true) location.replace(address);
  else location.assign(address);
}
