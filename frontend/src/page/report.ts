/** Run code of the page's author: if it throws, the console says whose it was, and nobody else stops. */
export function guarded(what: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    console.error(`instant: ${what} threw`, error);
  }
}

/** Tell the page's scripts. */
export function tell(name: string, detail: unknown, target: EventTarget = document): void {
  target.dispatchEvent(new CustomEvent(name, { detail }));
}
