/** `unpack_data`: parses a message for the page's own JavaScript. */

import { isObject, type JsonObject, type JsonValue, parsedIfText, text } from "../core/json.js";
import { CHANNEL, DATA, EVENT_CLASS, MESSAGE, SITE, TIMESTAMP, UID } from "../core/protocol.js";
import type { MessageLabels } from "./messageLabels.js";

/** The fields of a message. Missing texts are "", missing data is `{}`. */
export interface UnpackedData {
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

/** The keys that distinguish a payload from a dataset. */
const PAYLOAD_KEYS = [SITE, UID, MESSAGE, EVENT_CLASS];

/** Parse a dataset `{channel, data: payload}`, or a payload alone. Both may be objects or JSON text. */
export function unpackData(dataset: unknown, labels: MessageLabels): UnpackedData {
  const outer = object(dataset);
  const payload = PAYLOAD_KEYS.some((key) => key in outer) ? outer : object(outer[DATA]);
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
  const content = parsedIfText(value);
  return isObject(content) ? content : {};
}
