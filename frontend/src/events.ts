import type { ConnectedContext } from "centrifuge";
import { SIGNAL } from "./protocol.js";
import { HandlerError, type InstantError } from "./errors.js";
import { Handlers } from "./handlers.js";
import { Listeners } from "./listeners.js";
import type { Message } from "./message.js";
import type { PresenceEvent } from "./presence.js";
import type { SubscribeEvent, UnsubscribeEvent } from "./room.js";

export type State = "disconnected" | "connecting" | "connected";

/** How a connection ended. */
export interface DisconnectEvent {
  readonly code: number;
  readonly reason: string;
}

/** Everything that a page may listen to. */
export class Events {
  readonly connected = new Listeners<ConnectedContext>();
  /** The connection broke, and will be tried again. */
  readonly lost = new Listeners<DisconnectEvent>();
  /** An attempt to connect failed, and will be repeated. */
  readonly attempt = new Listeners<DisconnectEvent>();
  readonly disconnected = new Listeners<DisconnectEvent>();
  readonly error = new Listeners<InstantError>();
  readonly subscribed = new Listeners<SubscribeEvent>();
  readonly unsubscribed = new Listeners<UnsubscribeEvent>();
  readonly state = new Listeners<State>();
  readonly joined = new Listeners<PresenceEvent>();
  readonly left = new Listeners<PresenceEvent>();
  readonly messages = new Handlers((message, cause) => {
    console.error("instant: a handler threw", cause);
    this.error.emit(new HandlerError(message.channel, cause));
  });
  /** Signals, which no handler of messages is told of. */
  readonly signals = new Handlers((message, cause) => this.error.emit(new HandlerError(message.channel, cause)));

  constructor(private readonly talks: boolean) {}

  /** Whether the page wants to know who comes and goes. */
  get watchPeople(): boolean {
    return this.joined.size + this.left.size > 0;
  }

  /** Hand on what came; `isOwn` if this page itself has sent it. */
  receive(message: Message, isOwn: boolean): void {
    (message.eventClass === SIGNAL ? this.signals : this.messages).dispatch(message, isOwn);
  }

  /** Tell the page of an error; where nobody listens, the console, unless a promise `isRejected` for it. */
  report(error: InstantError, isRejected = false): void {
    if (this.error.size > 0) this.error.emit(error);
    else if (!isRejected) console.error(`instant: ${error.name}: ${error.message}`);
  }

  debug(text: string): void {
    if (this.talks) console.debug(`instant: ${text}`);
  }
}
