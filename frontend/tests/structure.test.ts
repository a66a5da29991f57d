/** The files of src/: which may import which, and that no imports form a circle. Imports of types count. */

import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";
import { describe, expect, it } from "vitest";

/** The files that each file imports. */
type Graph = ReadonlyMap<string, readonly string[]>;

/** What each folder may import besides itself. The files beside the folders are listed by their names. */
const ALLOWED: { readonly [place: string]: readonly string[] } = {
  core: [],
  sockets: ["core"],
  windows: ["core"],
  "client.ts": ["core", "sockets", "windows"],
  "index.ts": ["core", "sockets", "windows", "client.ts"],
  "buildConstants.d.ts": [],
  page: ["core", "sockets", "windows", "client.ts"],
  legacy: ["core", "sockets", "windows", "client.ts", "page"],
};
/** The only file outside legacy/ that may import it: the entry of page.js. */
const USES_LEGACY = "page/index.ts";

const src = fileURLToPath(new URL("../src/", import.meta.url));
const read = (file: string): string => readFileSync(src + file, "utf8");

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".ts"));

/** Return the specifiers in a syntax tree: of `import`, `import type`, `export … from`, `import()`, and `import("…")` as a type. */
function specifiers(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(specifiers);
  if (typeof node !== "object" || node === null) return [];
  const { type, source } = node as { type?: unknown; source?: { value?: unknown } | null };
  const isImport = typeof type === "string" && /^(Import|Export|TSImport)/.test(type);
  const found = isImport && typeof source?.value === "string" ? [source.value] : [];
  return [...found, ...Object.values(node).flatMap(specifiers)];
}

function importsOf(file: string, text: string): string[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message ?? ""}`);
  const relative = specifiers(program).filter((specifier) => specifier.startsWith("."));
  return relative.map((specifier) => posix.join(posix.dirname(file), specifier.replace(/\.js$/, ".ts")));
}

/** Return the circles as texts "a -> b -> a": one for each import that closes a circle. */
function circles(graph: Graph): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (path.includes(file) || done.has(file)) return;
    for (const imported of graph.get(file) ?? []) visit(imported, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

/** Return the imports that ALLOWED forbids, as texts "a -> b". */
function forbidden(graph: Graph): string[] {
  const place = (file: string): string => file.split("/")[0] ?? "";
  const isAllowed = (file: string, imported: string): boolean => {
    if (place(imported) === place(file)) return true;
    if (place(imported) === "legacy") return file === USES_LEGACY;
    return ALLOWED[place(file)]?.includes(place(imported)) ?? false;
  };
  return [...graph].flatMap(([file, all]) =>
    all.filter((imported) => !isAllowed(file, imported)).map((imported) => `${file} -> ${imported}`),
  );
}

const graph: Graph = new Map(files.map((file) => [file, importsOf(file, read(file))]));

describe("the imports of src/", () => {
  it("are all files, so that none is overlooked", () => {
    expect([...graph.values()].flat().filter((file) => !graph.has(file))).toEqual([]);
    expect(graph.get("index.ts")).toContain("client.ts");
    expect(graph.get("client.ts")).toContain("core/siteSession.ts");
  });

  it("form no circle", () => {
    expect(circles(graph)).toEqual([]);
  });

  it("are those that each folder may have", () => {
    expect(forbidden(graph)).toEqual([]);
    expect(new Set(files.map((file) => file.split("/")[0]))).toEqual(new Set(Object.keys(ALLOWED)));
  });
});

describe("legacy/", () => {
  it.each(files.filter((file) => file.startsWith("legacy/")))("says which release drops %s", (file) => {
    const [header = ""] = read(file).split("*/");
    expect(header).toMatch(/django-instant \d/);
    expect(header).toContain("Dropped in django-instant 6.0.");
  });
});

describe("these tests", () => {
  it("see each kind of import", () => {
    const text = `
      import { a } from "./a.js";
      import type { B } from "../core/b.js";
      import "./c.js";
      export { d } from "./d.js";
      export type * from "./e.js";
      type F = import("./f.js").F;
      const g = () => import("./g.js");
      // import "./no.js";
      const text = 'import "./no.js"';
      import { Centrifuge } from "centrifuge";`;
    const names = ["page/a.ts", "core/b.ts", "page/c.ts", "page/d.ts", "page/e.ts", "page/f.ts", "page/g.ts"];
    expect(importsOf("page/x.ts", text).sort()).toEqual(names.sort());
  });

  it("find circles", () => {
    const made = new Map([["a", ["b"]], ["b", ["c", "d"]], ["c", ["b"]], ["d", ["d"]], ["e", ["a", "c"]]]);
    expect(circles(made)).toEqual(["b -> c -> b", "d -> d"]);
  });

  it.each([
    ["core/siteSession.ts", "client.ts"],
    ["core/siteSession.ts", "windows/calls.ts"],
    ["windows/calls.ts", "page/morph.ts"],
    ["sockets/socket.ts", "windows/calls.ts"],
    ["client.ts", "page/engine.ts"],
    ["page/engine.ts", "legacy/version4.ts"],
    ["page/engine.ts", "index.ts"],
    ["elsewhere/new.ts", "core/siteSession.ts"],
  ])("find that %s may not import %s", (file, imported) => {
    expect(forbidden(new Map([[file, [imported]]]))).toEqual([`${file} -> ${imported}`]);
  });

  it("allow the entry of a page to import legacy/", () => {
    expect(forbidden(new Map([["page/index.ts", ["legacy/centrifugeSubscribe.ts"]]]))).toEqual([]);
  });
});
