/** What `useInstant()` returns, put together from the session, the windows and the sockets. */

import type { Centrifuge } from "centrifuge";
import type { DisconnectEvent, RevokedEvent, RightsChangedEvent, State, SubscribeEvent, UnsubscribeEvent } from "./core/clientEvents.js";
import type { InstantError } from "./core/errors.js";
import type { JsonValue } from "./core/json.js";
import type { Undo } from "./core/listeners.js";
import type { Handler } from "./core/messages.js";
import { eventsOf, type InstantEvents } from "./core/modelEvents.js";
import type { Options } from "./core/options.js";
import { type Person, presence, type PresenceEvent } from "./core/presence.js";
import { PAGE } from "./core/protocol.js";
import { Session } from "./core/siteSession.js";
import { subscribe, type Subscription } from "./core/joinedChannel.js";
import type { Whisper } from "./core/whispers.js";
import type { InstantSocket, SocketOptions } from "./sockets/interface.js";
import { Sockets } from "./sockets/sockets.js";
import type { CallOptions, CallOpts } from "./windows/calls.js";
import { type InstantWindows, Windows } from "./windows/windowSignals.js";

/** A channel that the page is in, or joins when it connects. */
export interface Channel {
  readonly name: string;
  /** Who may join: "public", "users", "groups", "staff", "superuser", "user" or "rule"; "" until Django has answered. */
  readonly level: string;
}

/** The client of a page. Its functions need no `this`, and each `on…` returns its undo. */
export interface Instant {
  /** The user's id in Centrifugo; "" for a visitor, null while unknown. */
  readonly user: string | null;
  readonly state: State;
  readonly channels: readonly Channel[];
  /** The SDK's client, for what this package does not do. It is replaced when the user changes: do not keep it. */
  readonly client: Centrifuge | null;
  /** Log in at Django. A connection becomes that of the new user. */
  login(username: string, password: string): Promise<void>;
  /** Disconnect, forget everything of the user, and log out at Django. */
  logout(): Promise<void>;
  /** Connect and join all the user's channels. Rejects if Django or the server refuses. */
  connect(): Promise<void>;
  disconnect(): void;
  /** Join a channel; connect first if there is no connection. Rejects with `ChannelRefused`. */
  subscribe(name: string): Promise<Subscription>;
  unsubscribe(name: string): void;
  /** Handle the messages of a channel, of an event class, or all messages ("*"). */
  on(selector: string, handler: Handler): Undo;
  /** Receive what clients publish themselves. No handler, event or signal gets it. */
  onWhisper(run: (whisper: Whisper) => void): Undo;
  /** Events of Django models, and a site's own events. */
  readonly events: InstantEvents;
  /** Return who is in a channel that this page has joined. Rejects if the options of its namespace do not allow it. */
  presence(channel: string): Promise<Person[]>;
  /** A connection joined a channel. Call it before the channels are joined. */
  onJoin(run: (event: PresenceEvent) => void): Undo;
  onLeave(run: (event: PresenceEvent) => void): Undo;
  /** Headers for your own requests, by which Django can exclude the sender from what it publishes. */
  headers(): Record<string, string>;
  /**
   * Call the functions in Python that are connected to a signal. Resolves with the function's result if there is one
   * function and it runs at once, else with `{queued: true}`. Rejects with `CallRefused`, `CallFailed` or `CallTimeout`.
   * Waits for the connection, and for the answer to the previous call of the same signal.
   */
  call(name: string, opts?: CallOpts, options?: CallOptions): Promise<JsonValue>;
  /** Signals between Django and this page. */
  readonly windows: InstantWindows;
  /**
   * Open a socket of the handler in Python that has this name; without a name, of "default". Connects first if there is
   * no connection.
   */
  socket(name?: string, options?: SocketOptions): InstantSocket;
  onConnect(run: () => void): Undo;
  /** The connection is closed for good. A connection that the client makes anew is reported by `onState`. */
  onDisconnect(run: (event: DisconnectEvent) => void): Undo;
  onError(run: (error: InstantError) => void): Undo;
  onSubscribe(run: (event: SubscribeEvent) => void): Undo;
  onUnsubscribe(run: (event: UnsubscribeEvent) => void): Undo;
  /** The page lost a channel that it had joined, because its user may not be in it any more. */
  onRevoked(run: (event: RevokedEvent) => void): Undo;
  /**
   * The rights of the user have changed since Django rendered the page, and the page has left its topics. A page of the
   * Django site is then loaded again when it is visible, unless `event.preventDefault()` is called.
   */
  onRightsChanged(run: (event: RightsChangedEvent) => void): Undo;
  onState(run: (state: State) => void): Undo;
}

/** Make a client. It sends and connects nothing until `login`, `connect` or `subscribe` is called. */
export function useInstant(options: Options = {}): Instant {
  return instantOf(new Session(options));
}

/** Return the functions of a session. */
export function instantOf(session: Session, windows = new Windows(session, true)): Instant {
  const { events } = session;
  const sockets = new Sockets(session, windows.connectionWait);
  return {
    get user() {
      return session.account.user;
    },
    get state() {
      return session.state;
    },
    get channels() {
      return session.channels.all.filter(({ level }) => level !== PAGE).map(({ name, level }) => ({ name, level }));
    },
    get client() {
      return session.client;
    },
    login: (username, password) => session.login(username, password),
    logout: () => session.logout(),
    connect: () => session.connect(),
    disconnect: () => session.disconnect(),
    subscribe: (name) => subscribe(session, name),
    unsubscribe: (name) => session.unsubscribe(name),
    on: (selector, handler) => events.messages.on(selector, handler),
    onWhisper: (run) => events.whispers.add(run),
    events: eventsOf(events.messages),
    presence: (channel) => presence(session, channel),
    onJoin: (run) => events.joined.add(run),
    onLeave: (run) => events.left.add(run),
    headers: () => session.clientIds.headers,
    call: (name, opts, options) => windows.calls.call(name, opts, options),
    windows: windows.functions,
    socket: (name, options) => sockets.open(name, options),
    onConnect: (run) => events.connected.add(run),
    onDisconnect: (run) => events.disconnected.add(run),
    onError: (run) => events.error.add(run),
    onSubscribe: (run) => events.subscribed.add(run),
    onUnsubscribe: (run) => events.unsubscribed.add(run),
    onRevoked: (run) => events.revoked.add(run),
    onRightsChanged: (run) => events.rightsChanged.add(run),
    onState: (run) => events.state.add(run),
  };
}
