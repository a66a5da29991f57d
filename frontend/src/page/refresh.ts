/** Refreshes parts of the page: requests its address again, and copies these parts from the response. */

import { removeScripts } from "../core/scriptlessHtml.js";
import { REFRESH_HEADER } from "../core/protocol.js";
import { morph } from "./morph.js";

/** Milliseconds before a request. All refreshes within this time share it. */
const PAUSE = 200;
/** The maximum of an additional random delay, in milliseconds, because all open pages get a message simultaneously. */
const SPREAD = 300;

/** Batches refreshes, with one request at a time. */
export class Refresher {
  private readonly targets = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  /** The selectors of the request in progress. */
  private loading: readonly string[] = [];

  constructor(private readonly changed: (elements: Element[]) => void) {}

  /** Refresh the elements of this selector; null means the whole page. Throws a DOMException if it is invalid. */
  ask(target: string | null): void {
    if (target !== null) document.querySelector(target);
    this.targets.add(target ?? "body");
    this.schedule();
  }

  /**
   * Report that a message changes an element. The response of a request in progress may be older than the message and
   * undo the change, so the element's part of the page is requested again.
   */
  changing(element: Element): void {
    for (const target of this.loading) {
      if (element.closest(target) !== null || element.querySelector(target) !== null) this.targets.add(target);
    }
  }

  private schedule(): void {
    if (this.timer !== null || this.loading.length > 0 || this.targets.size === 0) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.run();
    }, PAUSE + Math.random() * SPREAD);
  }

  private async run(): Promise<void> {
    const targets = [...this.targets];
    this.targets.clear();
    this.loading = targets;
    try {
      const fresh = await load();
      if (fresh !== null) this.changed(targets.flatMap((target) => morphInto(fresh, target)));
    } catch (error) {
      console.error("instant: the page cannot be refreshed:", (error as Error).message);
    }
    this.loading = [];
    this.schedule();
  }
}

const currentAddress = (): string => location.href.replace(/#.*/, "");

/** Return the page as the server renders it now; null if the response must not be used. */
async function load(): Promise<Document | null> {
  const url = currentAddress();
  const response = await fetch(url, { headers: { [REFRESH_HEADER]: "1" }, credentials: "same-origin", cache: "no-store" });
  if (response.redirected && response.url.replace(/#.*/, "") !== url) {
    // For example to the log-in page. Reload, so that the browser itself follows the redirect.
    location.reload();
    return null;
  }
  if (!response.ok) throw new Error(`the server responded with status ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  removeScripts(fresh);
  // A script, such as htmx, may have changed the page's address in the meantime.
  return currentAddress() === url ? fresh : null;
}

/** Morph each selected element into the element of `fresh` with the same id, or else with the same index. */
function morphInto(fresh: Document, target: string): Element[] {
  const found = [...fresh.querySelectorAll(target)];
  return [...document.querySelectorAll(target)].flatMap((old, index) => {
    if (!old.isConnected) return [];
    const replacement = found.find(({ id }) => id !== "" && id === old.id) ?? found[index];
    // Scripts may have added classes to the body and to the html element, so only their content is changed.
    if (old === document.body || old === document.documentElement) {
      return morph(document.body, [...fresh.body.cloneNode(true).childNodes], "innerHTML", true);
    }
    return morph(old, replacement === undefined ? [] : [replacement.cloneNode(true)], "outerHTML", true);
  });
}
