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

  it("index.min.js makes the global of 4.x", () => {
    const page = globalsOf("index.min.js");
    expect(Object.keys(page)).toEqual(["$instant"]);
    expect(Object.keys(page["$instant"] ?? {}).sort()).toEqual(["Message", "useInstant"]);
  });
});
