import { REFRESH_HEADER } from "../protocol.js";
import { morph, withoutScripts } from "./morph.js";

/** Milliseconds in which all that is to be refreshed is taken out of one answer. */
const PAUSE = 200;
/** Up to so many more, for all pages that are open hear of it at the same moment. */
const SPREAD = 300;

/** Loads the page anew, and takes out of it what is to be refreshed. */
export class Refresher {
  private readonly targets = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private running = false;

  constructor(private readonly changed: (elements: Element[]) => void) {}

  /** Refresh what this selector finds; null is the page. Throws where it is no selector. */
  ask(target: string | null): void {
    if (target !== null) document.querySelector(target);
    this.targets.add(target ?? "body");
    this.schedule();
  }

  private schedule(): void {
    if (this.timer !== null || this.running || this.targets.size === 0) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.run();
    }, PAUSE + Math.random() * SPREAD);
  }

  private async run(): Promise<void> {
    const targets = [...this.targets];
    this.targets.clear();
    this.running = true;
    try {
      const fresh = await load();
      if (fresh !== null) this.changed(targets.flatMap((target) => take(fresh, target)));
    } catch (error) {
      console.error("instant: the page cannot be refreshed:", (error as Error).message);
    }
    this.running = false;
    this.schedule();
  }
}

const here = (): string => location.href.replace(/#.*/, "");

/** Return the page as it is now; null where there is nothing to take out of the answer. */
async function load(): Promise<Document | null> {
  const url = here();
  const response = await fetch(url, { headers: { [REFRESH_HEADER]: "1" }, credentials: "same-origin", cache: "no-store" });
  if (response.redirected && response.url.replace(/#.*/, "") !== url) {
    // To a page for logging in, for example: the browser goes there itself.
    location.reload();
    return null;
  }
  if (!response.ok) throw new Error(`the answer is ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  withoutScripts(fresh);
  // A script, such as htmx's, may have gone to another page meanwhile.
  return here() === url ? fresh : null;
}

/** Morph what `target` finds into what it finds in `fresh`: the one with the same id, else the one at the same place. */
function take(fresh: Document, target: string): Element[] {
  const found = [...fresh.querySelectorAll(target)];
  return [...document.querySelectorAll(target)].flatMap((old, index) => {
    if (!old.isConnected) return [];
    const anew = found.find(({ id }) => id !== "" && id === old.id) ?? found[index];
    // Scripts may have put classes on the body: it stays, and so does the element around it.
    if (old === document.body || old === document.documentElement) {
      return morph(document.body, [...fresh.body.cloneNode(true).childNodes], "innerHTML", true);
    }
    return morph(old, anew === undefined ? [] : [anew.cloneNode(true)], "outerHTML", true);
  });
}
