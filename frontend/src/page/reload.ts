/** Reloads a page after the user's permissions have changed. */

/** Milliseconds in which a page is reloaded at most once. This prevents a loop if Django refuses each new window. */
const MIN_INTERVAL = 60_000;
const KEY = "instant.reloaded";

/** Reload the page, now or once it is visible. Hidden pages wait, so that not all of them request it simultaneously. */
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
  if (wasReloaded()) console.warn("instant: the user's permissions have changed again; reload the page to receive its topics");
  else location.reload();
}

/** Return whether this tab was reloaded recently. If not, store the current time. */
function wasReloaded(): boolean {
  try {
    const last = Number(sessionStorage.getItem(KEY));
    const isRecent = Math.abs(Date.now() - last) < MIN_INTERVAL;
    if (!isRecent) sessionStorage.setItem(KEY, String(Date.now()));
    return isRecent;
  } catch {
    return true; // without storage a reload loop cannot be detected, so do not reload
  }
}
