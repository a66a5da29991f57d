/** DOM events for scripts of the page and for htmx. */

import type { Message } from "../core/messages.js";

const ATTRIBUTES = ["hx-trigger", "data-hx-trigger"];
const SELECTOR = ATTRIBUTES.map((name) => `[${name}]`).join();

export function dispatchDomEvent(name: string, detail: unknown, target: EventTarget = document): void {
  target.dispatchEvent(new CustomEvent(name, { detail }));
}

/**
 * Dispatch `instant:<event class>` for a message, on the body and on the elements whose hx-trigger contains the event.
 * It does not bubble: otherwise, nested elements with such triggers would get it twice.
 */
export function dispatchMessage(message: Message): void {
  const name = `instant:${(message.eventClass || "message").replace(/\s/g, "-")}`;
  const targets = new Set([...document.querySelectorAll(SELECTOR)].filter((element) => triggersOf(element).includes(name)));
  for (const target of targets.add(document.body)) dispatchDomEvent(name, message, target);
}

/** Return the event names in an element's hx-trigger: the first word of each part, without a filter in brackets. */
function triggersOf(element: Element): string[] {
  const specifications = ATTRIBUTES.map((name) => element.getAttribute(name) ?? "").join();
  return specifications.split(",").map((part) => part.trim().split(/[\s[]/)[0] ?? "");
}
