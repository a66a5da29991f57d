/** The standard signal "download", which makes the browser save a file. */

import { bytesOfBase64 } from "../core/base64.js";
import { ownAddress } from "./standardSignalArguments.js";

/** The arguments of the signal. */
export interface FileOpts {
  /** The file's address on this site. Ignored if there is `content`. */
  readonly url?: unknown;
  /** The file's content: text, or base64 if `base64` is true. */
  readonly content?: unknown;
  readonly base64?: unknown;
  readonly filename?: unknown;
  /** The media type of `content`. */
  readonly type?: unknown;
}

/** Milliseconds after which the object URL is revoked. Browsers have started to read the file by then. */
const LIFETIME = 60_000;

export function download(opts: FileOpts): void {
  const filename = typeof opts.filename === "string" ? opts.filename : "";
  if (typeof opts.content !== "string") return save(ownAddress(opts.url), filename);
  const content = opts.base64 === true ? bytesOfBase64(opts.content) : opts.content;
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
