/** Not to the sender: which clients this page has been, in its requests to Django and in what comes back. */

import { MAX_SENDER_IDS, SENDER_HEADER, TAG_CLIENT, TAG_USER } from "./protocol.js";

/** The tags of a publication. */
export type Tags = { readonly [name: string]: string };

/** The ids that the page's connections have had. */
export class Senders {
  /** Newest last. */
  private readonly ids = new Set<string>();

  /** What is sent beside requests, "" before the first connection. */
  get value(): string {
    return [...this.ids].join();
  }

  get headers(): Record<string, string> {
    return this.ids.size === 0 ? {} : { [SENDER_HEADER]: this.value };
  }

  add(id: string): void {
    this.ids.delete(id);
    this.ids.add(id);
    for (const oldest of this.ids) {
      if (this.ids.size <= MAX_SENDER_IDS) break;
      this.ids.delete(oldest);
    }
  }

  /**
   * Whether a publication comes from this page. Anybody can name any id in a request, but not be another user: so the
   * tags must have both. Without a user it was Django's own code that named the client.
   */
  sent(tags: Tags | undefined, user: string | null): boolean {
    const clients = tags?.[TAG_CLIENT];
    if (clients === undefined || (tags?.[TAG_USER] ?? user) !== user) return false;
    return clients.split(",").some((id) => this.ids.has(id));
  }
}
