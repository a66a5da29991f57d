import { BUCKET, DATA, EVENT_CLASS, MESSAGE, SITE, TIMESTAMP, UID } from "./protocol.js";

/** Anything that JSON can hold. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/** One published message. What the publisher left out is "", or null for `data`. */
export interface Message {
  readonly channel: string;
  readonly site: string;
  readonly uid: string;
  /** ISO 8601 in UTC, or "". */
  readonly timestamp: string;
  readonly message: string;
  readonly data: JsonValue;
  readonly eventClass: string;
  readonly bucket: string;
}

export type JsonObject = { [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Read a publication, of either payload kind. One in a foreign shape becomes a message that holds it as `data`. */
export function toMessage(channel: string, raw: unknown): Message {
  const content = typeof raw === "string" ? parsed(raw) : raw;
  if (!isOurs(content)) {
    return { channel, site: "", uid: "", timestamp: "", message: "", data: json(raw), eventClass: "", bucket: "" };
  }
  return {
    channel,
    site: text(content[SITE]),
    uid: text(content[UID]),
    timestamp: text(content[TIMESTAMP]),
    message: text(content[MESSAGE]),
    data: json(content[DATA]),
    eventClass: text(content[EVENT_CLASS]),
    bucket: text(content[BUCKET]),
  };
}

function isOurs(value: unknown): value is JsonObject {
  if (!isObject(value) || typeof value[SITE] !== "string") return false;
  return typeof value[UID] === "string" || typeof value[MESSAGE] === "string" || DATA in value;
}

function parsed(value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return null;
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Publications come out of JSON.parse: only `undefined` is none of its values. */
function json(value: unknown): JsonValue {
  return value === undefined ? null : (value as JsonValue);
}
