/** A page that was rendered for other rights is loaded again: once it is visible, and not in a loop. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { reloadWhenVisible } from "../../src/page/reload";

class FakeDocument extends EventTarget {
  visibilityState = "visible";

  show(state: string): void {
    this.visibilityState = state;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

describe("the page", () => {
  const reload = vi.fn();
  let page: FakeDocument;

  beforeEach(() => {
    const stored = new Map<string, string>();
    page = new FakeDocument();
    reload.mockClear();
    vi.useFakeTimers({ now: 1e12 });
    vi.spyOn(console, "warn").mockReturnValue();
    vi.stubGlobal("document", page);
    vi.stubGlobal("location", { reload });
    vi.stubGlobal("sessionStorage", { getItem: (key: string) => stored.get(key) ?? null, setItem: stored.set.bind(stored) });
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  it("is loaded again at once if it is visible", () => {
    reloadWhenVisible();
    expect(reload).toHaveBeenCalledTimes(1);
  });

  it("waits until it is visible, and is loaded once", () => {
    page.visibilityState = "hidden";
    reloadWhenVisible();
    page.show("hidden");
    expect(reload).not.toHaveBeenCalled();
    page.show("visible");
    page.show("visible");
    expect(reload).toHaveBeenCalledTimes(1);
  });

  it("is not loaded in a loop", () => {
    reloadWhenVisible();
    reloadWhenVisible();
    expect(reload).toHaveBeenCalledTimes(1);
    expect(console.warn).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(60_000);
    reloadWhenVisible();
    expect(reload).toHaveBeenCalledTimes(2);
  });

  it("is not loaded if the tab cannot remember that it was", () => {
    vi.stubGlobal("sessionStorage", undefined);
    reloadWhenVisible();
    expect(reload).not.toHaveBeenCalled();
  });
});
