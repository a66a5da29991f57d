/** Loads a page again whose content was rendered for other rights than its user has now. */

/** Milliseconds in which a page is loaded again once only: if Django refuses each new window, it must not loop. */
const ONCE_IN = 60_000;
const KEY = "instant.reloaded";

/** Load the page again, now or as soon as the user sees it: hidden pages must not all ask Django at one moment. */
export function reloadWhenVisible(): void {
  if (document.visibilityState === "visible") return reload();
  const check = (): void => {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", check);
    reload();
  };
  document.addEventListener("visibilitychange", check);
}

function reload(): void {
  if (wasReloaded()) console.warn("instant: the rights of the user have changed again; load the page again to see its topics");
  else location.reload();
}

/** Return whether this tab was reloaded a short time ago, and remember the time. */
function wasReloaded(): boolean {
  try {
    const last = Number(sessionStorage.getItem(KEY));
    const isRecent = Math.abs(Date.now() - last) < ONCE_IN;
    if (!isRecent) sessionStorage.setItem(KEY, String(Date.now()));
    return isRecent;
  } catch {
    return true; // no storage: better a page without its topics than one that loads for ever
  }
}
