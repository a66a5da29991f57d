/** Messages of Django's messages framework, delivered to a page that is already there. */

import { isObject } from "../message.js";
import { parsed } from "../page/html.js";
import { words } from "./targets.js";

/** What the page is told of each, before it is shown: `instant:message-added`, which can be prevented. */
export interface Notice {
  readonly text: string;
  /** Trusted HTML, "" where it is text. */
  readonly html: string;
  /** As `message.tags`: its level, and what else was given. */
  readonly tags: readonly string[];
}

const CONTAINER = "data-instant-messages";
const TAGS = new Map([
  [10, "debug"],
  [20, "info"],
  [25, "success"],
  [30, "warning"],
  [40, "error"],
]);

/** Show a message, or the list `messages` of them. */
export function showMessages(opts: object): void {
  const { messages } = opts as { readonly messages?: unknown };
  const all: unknown[] = Array.isArray(messages) ? messages : [opts];
  const notices = all.map(read);
  const event = (detail: Notice): Event =>
    new CustomEvent("instant:message-added", { detail, cancelable: true, bubbles: true });
  const shown = notices.filter((notice) => document.dispatchEvent(event(notice)));
  if (shown.length === 0) return;
  const container = document.querySelector(`[${CONTAINER}]`) ?? made();
  // Without it a screen reader tells nothing of what is put in.
  if (!container.hasAttribute("aria-live")) container.setAttribute("aria-live", "polite");
  for (const notice of shown) container.append(drawn(notice, container));
}

function read(raw: unknown): Notice {
  const { message, text, html, level, tags, level_tag, extra_tags } = isObject(raw) ? raw : { message: raw };
  const given = tags ?? [extra_tags, level_tag ?? (typeof level === "number" ? TAGS.get(level) : level)].flat();
  return {
    text: String(message ?? text ?? ""),
    html: typeof html === "string" ? html : "",
    tags: words(Array.isArray(given) ? given.filter((tag) => tag !== null && tag !== undefined) : given),
  };
}

function made(): Element {
  const container = document.createElement("div");
  container.setAttribute(CONTAINER, "");
  document.body.prepend(container);
  return container;
}

function drawn({ text, html, tags }: Notice, container: Element): Element {
  const element = document.createElement(container.matches("ul, ol") ? "li" : "div");
  element.classList.add(...(container.matches("ul, ol") ? [] : ["message"]), ...tags);
  if (tags.includes("error")) element.setAttribute("role", "alert");
  element.append(html === "" ? text : parsed(html), " ", dismissal(element, container));
  return element;
}

function dismissal(element: Element, container: Element): Element {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "dismiss";
  button.textContent = "×";
  button.setAttribute("aria-label", container.getAttribute("data-dismiss-label") ?? "Dismiss");
  button.addEventListener("click", () => {
    // Where else would the keyboard's focus go?
    const next = (element.nextElementSibling ?? element.previousElementSibling)?.querySelector("button");
    element.remove();
    next?.focus();
  });
  return button;
}
