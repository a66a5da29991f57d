import { describe, expect, it, vi } from "vitest";
import { Listeners } from "../../src/core/listeners";

describe("listeners", () => {
  it("that throw stop nobody, and are undone", () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const listeners = new Listeners<number>();
    const told: number[] = [];
    listeners.add(() => {
      throw new Error("on purpose");
    });
    const undo = listeners.add((event) => told.push(event));
    listeners.add(() => undo());
    listeners.emit(1);
    listeners.emit(2);
    expect([told, listeners.size, printed.mock.calls.length]).toEqual([[1], 2, 2]);
    printed.mockRestore();
  });
});
