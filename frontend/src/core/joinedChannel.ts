/** The object that `subscribe()` resolves with: one channel that the page has joined. */

import { type Person, presence } from "./presence.js";
import type { Session } from "./siteSession.js";

/** A channel that was joined. Its functions need no `this`. */
export interface Subscription {
  readonly channel: string;
  /** Return who is in the channel. Rejects if the options of its namespace do not allow it. */
  presence(): Promise<Person[]>;
  unsubscribe(): void;
}

/** Join the channel. A rejection that nobody handles is not "unhandled". */
export function subscribe(session: Session, channel: string): Promise<Subscription> {
  const joined = session.subscribe(channel).then(() => ({
    channel,
    presence: () => presence(session, channel),
    unsubscribe: () => session.unsubscribe(channel),
  }));
  joined.catch(() => undefined);
  return joined;
}
