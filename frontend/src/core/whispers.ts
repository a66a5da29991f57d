/** Whispers: publications that clients send themselves. They are user input, never messages from Django. */

import type { ClientInfo } from "centrifuge";
import type { JsonValue } from "./json.js";

/**
 * A publication of a client, which may be this page. Clients may publish only in namespaces with an option
 * `allow_publish_for_…`.
 */
export interface Whisper {
  readonly channel: string;
  /** The content: any JSON. It is untrusted. */
  readonly data: JsonValue;
  /** The sender's id in Centrifugo, set by the server; "" for a visitor. */
  readonly user: string;
  /** The id of the sender's connection, set by the server. */
  readonly client: string;
}

/** Return the whisper of a publication. The server adds `info` to publications of clients, never to Django's. */
export function toWhisper(channel: string, data: unknown, { user, client }: ClientInfo): Whisper {
  return { channel, data: (data ?? null) as JsonValue, user, client };
}
