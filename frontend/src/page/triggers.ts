import type { Message } from "../message.js";
import { tell } from "./report.js";

const ATTRIBUTES = ["hx-trigger", "data-hx-trigger"];
const SELECTOR = ATTRIBUTES.map((name) => `[${name}]`).join();

/**
 * Make the DOM event `instant:<event class>` of a message, on the elements whose hx-trigger names it and on the body.
 * It does not bubble: an element around another one that reacts would react twice.
 */
export function announce(message: Message): void {
  const name = `instant:${(message.eventClass || "message").replace(/\s/g, "-")}`;
  const targets = new Set([...document.querySelectorAll(SELECTOR)].filter((element) => triggersOf(element).includes(name)));
  for (const target of targets.add(document.body)) tell(name, message, target);
}

/** The events of an element's trigger: the first word of each part, without a filter in brackets. */
function triggersOf(element: Element): string[] {
  const specifications = ATTRIBUTES.map((name) => element.getAttribute(name) ?? "").join();
  return specifications.split(",").map((part) => part.trim().split(/[\s[]/)[0] ?? "");
}
