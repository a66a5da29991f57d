import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type UserConfig } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));
const { version } = JSON.parse(readFileSync(`${here}package.json`, "utf8")) as { version: string };

/** Return the files under a folder or file of this one, as sorted paths with "/". */
function files(path: string): string[] {
  if (!statSync(here + path).isDirectory()) return [path];
  return readdirSync(here + path).flatMap((name) => files(`${path}/${name}`));
}

/**
 * The hash stamped on the static files: sha256 over, for each file of src/, package-lock.json and vite.config.ts, in
 * the order of their paths: the path, a newline, the content with line ends as "\n", a newline.
 * tests/test_frontend_build.py computes it again.
 */
function sourceHash(): string {
  const hash = createHash("sha256");
  for (const path of [...files("src"), "package-lock.json", "vite.config.ts"].sort()) {
    hash.update(`${path}\n${readFileSync(here + path, "utf8").replace(/\r\n/g, "\n")}\n`);
  }
  return hash.digest("hex");
}

const banner = (included: string): string => `/*!
 * django-instant ${version} (MIT)
 * includes centrifuge-js: Copyright (c) 2023 Centrifugal Labs LTD (MIT); events: Copyright Joyent, Inc. (MIT)${included}
 * source sha256 ${sourceHash()}
 */
`;

/** One classic script, with all it needs, for a <script> tag. */
function script(entry: string, name: string, fileName: string): UserConfig["build"] {
  return {
    outDir: "../instant/static/instant",
    emptyOutDir: false,
    lib: { entry, name, formats: ["iife"], fileName: () => fileName },
  };
}

const builds: { readonly [mode: string]: UserConfig["build"] } = {
  npm: {
    outDir: "dist",
    emptyOutDir: true,
    minify: false,
    lib: { entry: "src/index.ts", formats: ["es"], fileName: () => "index.js" },
    rolldownOptions: { external: ["centrifuge"] },
  },
  browser: script("src/index.ts", "djangoInstant", "instant.js"),
  version4: script("src/legacy/version4.ts", "$instant", "index.min.js"),
  // It sets its global itself, so that it does not replace one that is there already.
  page: script("src/page/index.ts", "instant", "page.js"),
};

export default defineConfig(({ mode }) => ({
  define: { __VERSION__: JSON.stringify(version) },
  publicDir: false,
  plugins: [
    {
      name: "banner",
      generateBundle: {
        order: "post",
        handler(_options, bundle) {
          const text = banner(mode === "page" ? "; idiomorph: Big Sky Software (0BSD)" : "");
          for (const file of Object.values(bundle)) if (file.type === "chunk") file.code = text + file.code;
        },
      },
    },
  ],
  build: { target: "es2019", ...builds[mode] },
}));
