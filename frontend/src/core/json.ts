/** JSON values: their types, parsing of unknown values, and the size limit of messages to the server. */

/** Any JSON value. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

export type JsonObject = { [key: string]: unknown };

/** The largest message to the server, in bytes: 64 KiB less the frame. The server closes connections that send more. */
export const MAX_SENT_BYTES = 64 * 1024 - 512;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Return a string unchanged, and "" for any other value. */
export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Parse a string as JSON; null if it is not JSON. Other values are returned unchanged. */
export function parsedIfText(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return null;
  }
}

export const byteLength = (content: string): number => new TextEncoder().encode(content).length;

/** Return a copy of the value, made by JSON, and its size in bytes. Throws a TypeError if the value is not JSON. */
export function jsonCopy(value: unknown): { readonly copy: unknown; readonly bytes: number } {
  const content = JSON.stringify(value) as string | undefined;
  if (content === undefined) throw new TypeError(`a value of type ${typeof value} cannot be sent as JSON`);
  return { copy: JSON.parse(content) as unknown, bytes: byteLength(content) };
}
