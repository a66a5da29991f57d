/** Received messages: parsing of publications, and dispatch to the page's handlers. */

import { isObject, type JsonObject, type JsonValue, parsedIfText, text } from "./json.js";
import { addLimited } from "./limitedSet.js";
import { FunctionsByName, type Undo } from "./listeners.js";
import { BUCKET, DATA, EVENT_CLASS, MESSAGE, REMEMBERED_UIDS, SITE, TIMESTAMP, UID } from "./protocol.js";

/** One published message. A field that the publisher left out is "", or null for `data`. */
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

export type Handler = (message: Message) => void;

/** The selector of handlers that get every message. */
export const EVERY = "*";

/** Parse a publication of either payload kind. A publication in another format becomes the `data` of a message. */
export function toMessage(channel: string, raw: unknown): Message {
  const content = parsedIfText(raw);
  if (!isPayload(content)) {
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

/** The page's handlers by channel, event class or "*". Messages with a uid that was seen before are dropped. */
export class Handlers {
  private readonly bySelector = new FunctionsByName<Handler>();
  private readonly seen = new Set<string>();

  /** `failed` is called with the error that a handler threw. */
  constructor(private readonly failed: (message: Message, error: unknown) => void) {}

  on(selector: string, handle: Handler): Undo {
    return this.bySelector.add(selector, handle);
  }

  /**
   * Run the channel's handlers, then those of the event class, then those of "*". With `isOwn`, no handler runs, but
   * the uid is remembered, because the message may also arrive in another channel.
   */
  dispatch(message: Message, isOwn = false): void {
    if (!this.isNew(message.uid) || isOwn) return;
    for (const selector of new Set([message.channel, message.eventClass, EVERY])) this.run(selector, message);
  }

  private run(selector: string, message: Message): void {
    const entries = this.bySelector.get(selector);
    for (const entry of [...entries]) {
      if (!entries.has(entry)) continue;
      try {
        entry.run(message);
      } catch (error) {
        this.failed(message, error);
      }
    }
  }

  private isNew(uid: string): boolean {
    if (uid === "") return true;
    if (this.seen.has(uid)) return false;
    addLimited(this.seen, uid, REMEMBERED_UIDS);
    return true;
  }
}

function isPayload(value: unknown): value is JsonObject {
  if (!isObject(value) || typeof value[SITE] !== "string") return false;
  return typeof value[UID] === "string" || typeof value[MESSAGE] === "string" || DATA in value;
}

/** Publications come from JSON.parse, so `undefined` is the only value that is not JSON. */
function json(value: unknown): JsonValue {
  return value === undefined ? null : (value as JsonValue);
}
