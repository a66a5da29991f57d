import { ownAddress } from "./targets.js";

export interface FileOpts {
  /** Where it is on this site; or else `content`. */
  readonly url?: unknown;
  /** The file itself: text, or with `base64` what is to be decoded. */
  readonly content?: unknown;
  readonly base64?: unknown;
  readonly filename?: unknown;
  /** Its media type. */
  readonly type?: unknown;
}

/** Milliseconds after which no browser still begins to read. */
const LIFETIME = 60_000;

/** Have the browser save a file. */
export function download(opts: FileOpts): void {
  const filename = typeof opts.filename === "string" ? opts.filename : "";
  if (typeof opts.content !== "string") return save(ownAddress(opts.url), filename);
  const content = opts.base64 === true ? decoded(opts.content) : opts.content;
  const type = typeof opts.type === "string" ? opts.type : "application/octet-stream";
  const address = URL.createObjectURL(new Blob([content], { type }));
  save(address, filename === "" ? "download" : filename);
  setTimeout(() => URL.revokeObjectURL(address), LIFETIME);
}

function save(address: string, filename: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = filename;
  link.hidden = true;
  document.body.append(link);
  link.click();
  link.remove();
}

function decoded(content: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
}
