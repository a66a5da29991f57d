/** The scripts under instant/static/, as a page loads them. `npm run build` makes them anew. */

import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { version } from "../package.json";

function globalsOf(file: string): { [name: string]: { [name: string]: unknown } } {
  const page = createContext({});
  const path = new URL(`../../instant/static/instant/${file}`, import.meta.url);
  runInContext(readFileSync(path, "utf8"), page);
  return page as { [name: string]: { [name: string]: unknown } };
}

describe("the built script", () => {
  it("instant.js makes one global", () => {
    const page = globalsOf("instant.js");
    expect(Object.keys(page)).toEqual(["djangoInstant"]);
    expect(page["djangoInstant"]).toMatchObject({
      version,
      useInstant: expect.any(Function) as unknown,
      toMessage: expect.any(Function) as unknown,
      UnauthorizedError: expect.any(Function) as unknown,
    });
  });

  it("page.js makes one global, and leaves one alone that is there", () => {
    const document = { getElementById: () => null, querySelectorAll: () => [], addEventListener: () => undefined };
    const location = { origin: "null", pathname: "/" };
    const MutationObserver = class {
      observe(): void {}
    };
    const page = createContext({
      document, location, MutationObserver, Element: class {}, WebSocket: class {}, AbortController,
      addEventListener: () => undefined,
    });
    const path = new URL("../../instant/static/instant/page.js", import.meta.url);
    const load = (): unknown => runInContext(`window = this;${readFileSync(path, "utf8")};instant`, page);
    const first = load() as { page: object; state: string };
    expect(Object.keys(first.page).sort()).toEqual(
      ["client", "debug", "event", "handler", "label", "labels", "scan", "start", "stream", "unpack_data"], // instant.page
    );
    expect(first.state).toBe("disconnected");
    expect(load()).toBe(first);
  });

  it("index.min.js makes the global of 4.x", () => {
    const page = globalsOf("index.min.js");
    expect(Object.keys(page)).toEqual(["$instant"]);
    expect(Object.keys(page["$instant"] ?? {}).sort()).toEqual(["Message", "useInstant"]);
  });
});
