/** The ids of this page's clients. Django uses them to exclude the sender of a request from its messages. */

import { addLimited } from "./limitedSet.js";
import { MAX_SENDER_IDS, SENDER_HEADER, TAG_CLIENT, TAG_USER } from "./protocol.js";

/** The tags of a publication. */
export type Tags = { readonly [name: string]: string };

/** The ids that the page's connections have had. */
export class ClientIds {
  /** The newest is the last. */
  private readonly ids = new Set<string>();

  /** The value of the request header; "" before the first connection. */
  get value(): string {
    return [...this.ids].join();
  }

  get headers(): Record<string, string> {
    return this.ids.size === 0 ? {} : { [SENDER_HEADER]: this.value };
  }

  add(id: string): void {
    this.ids.delete(id);
    addLimited(this.ids, id, MAX_SENDER_IDS);
  }

  /**
   * Return whether this page caused the publication. The sender of a request can forge the ids in its header, but not
   * its user. So both tags must match. If there is no user tag, Django's code has passed the id of a connection itself.
   */
  hasSent(tags: Tags | undefined, user: string | null): boolean {
    const clients = tags?.[TAG_CLIENT];
    if (clients === undefined || (tags?.[TAG_USER] ?? user) !== user) return false;
    return clients.split(",").some((id) => this.ids.has(id));
  }
}
