/** The events of a page's connection and channels, and the listeners for them (`onConnect`, `onSubscribe`, `on`, …). */

import type { ConnectedContext } from "centrifuge";
import { HandlerError, type InstantError } from "./errors.js";
import { Listeners } from "./listeners.js";
import { Handlers } from "./messages.js";
import type { PresenceEvent } from "./presence.js";
import type { Whisper } from "./whispers.js";

export type State = "disconnected" | "connecting" | "connected";

/** The code and reason with which a connection was closed. */
export interface DisconnectEvent {
  readonly code: number;
  readonly reason: string;
}

/** The page joined a channel. */
export interface SubscribeEvent {
  readonly channel: string;
  /** Whether the client asked the server for missed messages. */
  readonly wasRecovering: boolean;
  /** False only if the server no longer has some of the missed messages: reload the page's data. */
  readonly recovered: boolean;
}

/** The page left or lost a channel that it had joined. `code` is 0 if the page called `unsubscribe()`. */
export interface UnsubscribeEvent {
  readonly channel: string;
  readonly code: number;
  readonly reason: string;
}

/** The page lost a channel that it had joined, because the user no longer has permission to be in it. */
export interface RevokedEvent {
  readonly channel: string;
  /** Django's or the server's reason: "access revoked" if the server unsubscribed the user. */
  readonly reason: string;
}

/** The user's permissions have changed since Django rendered the page. */
export interface RightsChangedEvent {
  readonly defaultPrevented: boolean;
  /** Do not reload the page. By default, a page that Django rendered is reloaded once it is visible. */
  preventDefault(): void;
}

/** All listeners and message handlers of a page. */
export class ClientEvents {
  readonly connected = new Listeners<ConnectedContext>();
  /** The connection was lost, and the client reconnects. */
  readonly lost = new Listeners<DisconnectEvent>();
  /** An attempt to connect failed, and the client retries. */
  readonly attempt = new Listeners<DisconnectEvent>();
  readonly disconnected = new Listeners<DisconnectEvent>();
  readonly error = new Listeners<InstantError>();
  readonly subscribed = new Listeners<SubscribeEvent>();
  readonly unsubscribed = new Listeners<UnsubscribeEvent>();
  readonly revoked = new Listeners<RevokedEvent>();
  readonly rightsChanged = new Listeners<RightsChangedEvent>();
  readonly state = new Listeners<State>();
  readonly joined = new Listeners<PresenceEvent>();
  readonly left = new Listeners<PresenceEvent>();
  readonly whispers = new Listeners<Whisper>();
  /** Handlers of Django's messages. Publications of clients go to `whispers`. */
  readonly messages = new Handlers((message, cause) => {
    console.error("instant: a handler threw", cause);
    this.error.emit(new HandlerError(message.channel, cause));
  });
  /** Handlers of signals. The handlers of messages do not get signals. */
  readonly signals = new Handlers((message, cause) => this.error.emit(new HandlerError(message.channel, cause)));

  /** With `logs`, debug messages go to the console. */
  constructor(private readonly logs: boolean) {}

  /** Whether the page has join or leave listeners. */
  get hasPresenceListeners(): boolean {
    return this.joined.size + this.left.size > 0;
  }

  /** Emit `rightsChanged`. Returns whether a listener called `preventDefault()`. */
  reportRightsChanged(): boolean {
    let defaultPrevented = false;
    this.rightsChanged.emit({
      get defaultPrevented() {
        return defaultPrevented;
      },
      preventDefault: () => {
        defaultPrevented = true;
      },
    });
    return defaultPrevented;
  }

  /**
   * Emit an error. Without listeners, it is logged to the console, unless `isRejected` says that a promise is rejected
   * with it.
   */
  report(error: InstantError, isRejected = false): void {
    if (this.error.size > 0) this.error.emit(error);
    else if (!isRejected) console.error(`instant: ${error.name}: ${error.message}`);
  }

  debug(text: string): void {
    if (this.logs) console.debug(`instant: ${text}`);
  }
}
