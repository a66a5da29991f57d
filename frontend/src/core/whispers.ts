/** Whispers: what clients publish themselves. They are data of a user, never messages of Django. */

import type { ClientInfo } from "centrifuge";
import type { JsonValue } from "./json.js";

/** A publication of a client, your own included. Only a namespace with `allow_publish_for_…` lets clients publish. */
export interface Whisper {
  readonly channel: string;
  /** What the client sent: any JSON. Do not trust it. */
  readonly data: JsonValue;
  /** The user's id in Centrifugo, as the server knows it; "" for a visitor. */
  readonly user: string;
  /** The id of the connection that sent it. */
  readonly client: string;
}

/** Read a publication that has the `info` of a client. The server sets it, and Django's publications have none. */
export function toWhisper(channel: string, data: unknown, { user, client }: ClientInfo): Whisper {
  return { channel, data: (data ?? null) as JsonValue, user, client };
}
