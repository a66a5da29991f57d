/** JSON values: their types, how unknown ones are read, and how large one may be that is sent to the server. */

/** Anything that JSON can hold. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

export type JsonObject = { [key: string]: unknown };

/** The server closes the connection for good when it receives more: 64 KiB, less the frame around the content. */
export const MAX_SENT_BYTES = 64 * 1024 - 512;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Return a string as it is, and "" for any other value. */
export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Parse a string; return other values as they are, and null for a string that is not JSON. */
export function parsedIfText(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return null;
  }
}

export const byteLength = (content: string): number => new TextEncoder().encode(content).length;

/** Return a copy of the value as JSON has it, and its size in bytes. Throws a TypeError if JSON cannot hold the value. */
export function jsonCopy(value: unknown): { readonly copy: unknown; readonly bytes: number } {
  const content = JSON.stringify(value) as string | undefined;
  if (content === undefined) throw new TypeError(`JSON cannot hold ${typeof value}`);
  return { copy: JSON.parse(content) as unknown, bytes: byteLength(content) };
}
