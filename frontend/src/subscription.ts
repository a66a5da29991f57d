/** What `subscribe()` resolves with: one channel that the page has joined. */

import { type Person, presence } from "./presence.js";
import type { Session } from "./session.js";

/** A channel that was joined. Its functions need no `this`. */
export interface Subscription {
  readonly channel: string;
  /** Who is in the channel. Rejects where the options of its namespace do not tell. */
  presence(): Promise<Person[]>;
  unsubscribe(): void;
}

/** Join the channel. Nobody has to look at the promise: a rejection is not "unhandled". */
export function subscribed(session: Session, channel: string): Promise<Subscription> {
  const joined = session.subscribe(channel).then(() => ({
    channel,
    presence: () => presence(session.client, channel, session.account.user),
    unsubscribe: () => session.unsubscribe(channel),
  }));
  joined.catch(() => undefined);
  return joined;
}
