/** The standard signal "messages.add", which shows messages of Django's messages framework. */

import { parseHtml } from "../core/scriptlessHtml.js";
import { isObject } from "../core/json.js";
import { words } from "./standardSignalArguments.js";

/** The detail of the DOM event `instant:message-added`. It is dispatched before a message is shown. */
export interface Notice {
  readonly text: string;
  /** Trusted HTML, or "" if the message is text. */
  readonly html: string;
  /** The extra tags and the level, as in Django's `message.tags`. */
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

/** Show one message, or the messages of the list `messages`. */
export function showMessages(opts: object): void {
  const { messages } = opts as { readonly messages?: unknown };
  const all: unknown[] = Array.isArray(messages) ? messages : [opts];
  const notices = all.map(read);
  const event = (detail: Notice): Event =>
    new CustomEvent("instant:message-added", { detail, cancelable: true, bubbles: true });
  const shown = notices.filter((notice) => document.dispatchEvent(event(notice)));
  if (shown.length === 0) return;
  const container = document.querySelector(`[${CONTAINER}]`) ?? makeContainer();
  // Without it, screen readers do not announce new messages.
  if (!container.hasAttribute("aria-live")) container.setAttribute("aria-live", "polite");
  for (const notice of shown) container.append(elementOf(notice, container));
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

function makeContainer(): Element {
  const container = document.createElement("div");
  container.setAttribute(CONTAINER, "");
  document.body.prepend(container);
  return container;
}

function elementOf({ text, html, tags }: Notice, container: Element): Element {
  const element = document.createElement(container.matches("ul, ol") ? "li" : "div");
  element.classList.add(...(container.matches("ul, ol") ? [] : ["message"]), ...tags);
  if (tags.includes("error")) element.setAttribute("role", "alert");
  element.append(html === "" ? text : parseHtml(html), " ", dismissButton(element, container));
  return element;
}

function dismissButton(element: Element, container: Element): Element {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "dismiss";
  button.textContent = "×";
  button.setAttribute("aria-label", container.getAttribute("data-dismiss-label") ?? "Dismiss");
  button.addEventListener("click", () => {
    // Keep the keyboard focus in the list.
    const next = (element.nextElementSibling ?? element.previousElementSibling)?.querySelector("button");
    element.remove();
    next?.focus();
  });
  return button;
}
