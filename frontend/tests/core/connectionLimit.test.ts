import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ConnectionLimit } from "../../src/core/connectionLimit";

describe("the pause after one connection too many", () => {
  it.each([
    [0, 1000],
    [0.5, 1500],
    [0.999, 1999],
  ])("is the delay and up to as much again: at %d, %d ms", (random, milliseconds) => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(random);
    onTestFinished(() => void vi.useRealTimers().restoreAllMocks());
    const limit = new ConnectionLimit(1000);
    const connect = vi.fn();
    limit.wait(connect);
    vi.advanceTimersByTime(milliseconds - 1);
    expect([limit.isWaiting, connect.mock.calls.length]).toEqual([true, 0]);
    vi.advanceTimersByTime(1);
    expect([limit.isWaiting, connect.mock.calls.length]).toEqual([false, 1]);
  });

  it("can be ended, and is reported once in a row", () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const limit = new ConnectionLimit(1000);
    const connect = vi.fn();
    limit.wait(connect);
    expect(limit.error()).toMatchObject({ name: "ConnectionError", code: 3504 });
    limit.stop();
    limit.wait(connect);
    limit.wait(connect);
    expect(limit.error()).toBeNull();
    vi.advanceTimersByTime(2000);
    expect(connect).toHaveBeenCalledTimes(1);
    limit.clear();
    expect(limit.error()).not.toBeNull();
  });
});
