import { CHANNEL, DATA, EVENT_CLASS, MESSAGE, SITE, TIMESTAMP, UID } from "../protocol.js";
import { isObject, type JsonObject, type JsonValue, type Message } from "../message.js";
import type { Labels } from "./labels.js";

/** A message as version 0.1 gave it to a channel's callbacks. */
export interface Dataset {
  readonly channel: string;
  readonly data: JsonObject;
}

/** What `unpack_data` returns. */
export interface Unpacked {
  channel: string;
  message: string;
  event_class: string;
  /** HTML. */
  message_label: string;
  data: JsonValue;
  site: string;
  uid: string;
  timestamp: string;
}

const OF_PAYLOADS = [SITE, UID, MESSAGE, EVENT_CLASS];

export function toDataset({ channel, site, uid, timestamp, message, data, eventClass, bucket }: Message): Dataset {
  return { channel, data: { channel, site, uid, timestamp, message, data, event_class: eventClass, bucket } };
}

/** Read a dataset; or a payload, or either as JSON text: whatever a callback may have been given. */
export function unpack(dataset: unknown, labels: Labels): Unpacked {
  const outer = object(dataset);
  const payload = OF_PAYLOADS.some((key) => key in outer) ? outer : object(outer[DATA]);
  const event_class = text(payload[EVENT_CLASS]);
  return {
    channel: text(outer[CHANNEL]) || text(payload[CHANNEL]),
    message: text(payload[MESSAGE]),
    event_class,
    message_label: labels.html(event_class),
    data: (payload[DATA] ?? {}) as JsonValue,
    site: text(payload[SITE]),
    uid: text(payload[UID]),
    timestamp: text(payload[TIMESTAMP]),
  };
}

function object(value: unknown): JsonObject {
  try {
    const content = typeof value === "string" ? (JSON.parse(value) as unknown) : value;
    return isObject(content) ? content : {};
  } catch {
    return {};
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
