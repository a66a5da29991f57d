/** What happens to a page's connection and channels: the listeners of `onConnect`, `onSubscribe`, `on` and the rest. */

import type { ConnectedContext } from "centrifuge";
import { HandlerError, type InstantError } from "./errors.js";
import { Listeners } from "./listeners.js";
import { Handlers } from "./messages.js";
import type { PresenceEvent } from "./presence.js";
import type { Whisper } from "./whispers.js";

export type State = "disconnected" | "connecting" | "connected";

/** How a connection ended. */
export interface DisconnectEvent {
  readonly code: number;
  readonly reason: string;
}

export interface SubscribeEvent {
  readonly channel: string;
  readonly wasRecovering: boolean;
  /** False only if messages were missed that the server no longer has: load the page's data anew. */
  readonly recovered: boolean;
}

export interface UnsubscribeEvent {
  readonly channel: string;
  readonly code: number;
  readonly reason: string;
}

/** The page lost a channel that it had joined, because its user may not be in it any more. */
export interface RevokedEvent {
  readonly channel: string;
  /** Django's or the server's reason: "access revoked" if the server unsubscribed the user. */
  readonly reason: string;
}

/** What the page may do depends on rights that its user has lost or got since Django rendered it. */
export interface RightsChangedEvent {
  readonly defaultPrevented: boolean;
  /** Keep the page as it is. Otherwise a page that Django rendered is loaded again as soon as it is visible. */
  preventDefault(): void;
}

/** All listeners and message handlers of a page. */
export class ClientEvents {
  readonly connected = new Listeners<ConnectedContext>();
  /** The connection broke, and the SDK will reconnect. */
  readonly lost = new Listeners<DisconnectEvent>();
  /** An attempt to connect failed, and will be repeated. */
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
  /** Handlers of what Django publishes. Publications of clients are whispers. */
  readonly messages = new Handlers((message, cause) => {
    console.error("instant: a handler threw", cause);
    this.error.emit(new HandlerError(message.channel, cause));
  });
  /** Handlers of signals, which are not given to the handlers of messages. */
  readonly signals = new Handlers((message, cause) => this.error.emit(new HandlerError(message.channel, cause)));

  /** With `logs` the console gets debug messages. */
  constructor(private readonly logs: boolean) {}

  /** Whether the page has listeners for users who join or leave channels. */
  get hasPresenceListeners(): boolean {
    return this.joined.size + this.left.size > 0;
  }

  /** Report changed rights to the listeners. Returns whether one of them prevents the default. */
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

  /** Report an error to the listeners; without any, to the console, unless a promise `isRejected` with it. */
  report(error: InstantError, isRejected = false): void {
    if (this.error.size > 0) this.error.emit(error);
    else if (!isRejected) console.error(`instant: ${error.name}: ${error.message}`);
  }

  debug(text: string): void {
    if (this.logs) console.debug(`instant: ${text}`);
  }
}
