/** The object with which `subscribe()` resolves: one channel that the page has joined. */

import { type Person, presence } from "./presence.js";
import type { Session } from "./siteSession.js";

/** A channel that the page has joined. Its functions do not use `this`. */
export interface Subscription {
  readonly channel: string;
  /** Return the users in the channel. Rejects as `presence()` of the client does. */
  presence(): Promise<Person[]>;
  unsubscribe(): void;
}

/** Join the channel. The promise never causes an "unhandled rejection". */
export function subscribe(session: Session, channel: string): Promise<Subscription> {
  const joined = session.subscribe(channel).then(() => ({
    channel,
    presence: () => presence(session, channel),
    unsubscribe: () => session.unsubscribe(channel),
  }));
  joined.catch(() => undefined);
  return joined;
}
