/** The standard signals of every page. They change its HTML, show messages, reload, redirect, and save files. */

import { isObject } from "../core/json.js";
import { showMessages } from "./djangoMessages.js";
import { download } from "./download.js";
import { ownAddress, type TargetOpts, targets, words } from "./standardSignalArguments.js";
import type { Signals } from "./signals.js";

/** Connect the standard signals. `applyHtml` applies the `data` of a live HTML message. */
export function connectStandardSignals(signals: Signals, applyHtml: (data: unknown) => void): void {
  const live = (action: string) => (opts: TargetOpts & { readonly html?: unknown }) =>
    applyHtml({ action, target: opts.target ?? opts.selector, html: opts.html });
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

/** Attributes that contain code, or HTML that may contain code. Signals may not set them. */
const CODE = /^on|^srcdoc$/i;
/** A javascript: URL. Browsers ignore white space and control characters in it. */
const SCRIPT_ADDRESS = /^[\s\0-\x1f]*j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t\s*:/i;

interface AttributeOpts extends TargetOpts {
  readonly name?: unknown;
  readonly value?: unknown;
  /** Several attributes, by name. */
  readonly attrs?: unknown;
}

/** Set attributes. The values null and false remove an attribute; true sets it without a value. */
function setAttributes(opts: AttributeOpts): void {
  const attributes = isObject(opts.attrs) ? Object.entries(opts.attrs) : [[String(opts.name ?? ""), opts.value] as const];
  for (const [name, value] of attributes) {
    if (name === "") throw new Error("the argument `name` is missing");
    if (CODE.test(name) || SCRIPT_ADDRESS.test(String(value))) throw new Error(`the attribute ${name} may not be set to a script`);
  }
  for (const element of targets(opts)) {
    for (const [name, value] of attributes) setAttribute(element, name, value ?? null);
  }
}

function setAttribute(element: Element, name: string, value: unknown): void {
  if (value === null || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
  // Once the user has changed a control, it no longer shows the value of its attribute.
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
