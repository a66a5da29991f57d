/** The object that `useInstant()` returns. It combines the session, the signals (windows) and the sockets. */

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
  /** "public", "users", "groups", "staff", "superuser", "user" or "rule"; "" until Django has answered. */
  readonly level: string;
}

/** The client of a page. Its functions do not use `this`. Each `on…` returns a function that removes the listener. */
export interface Instant {
  /** The user's id in Centrifugo; "" for a visitor, null while unknown. */
  readonly user: string | null;
  readonly state: State;
  readonly channels: readonly Channel[];
  /**
   * The `Centrifuge` object of the SDK, for features that this package does not have; null before the first connection.
   * It is replaced when the user changes: do not keep a reference to it.
   */
  readonly client: Centrifuge | null;
  /**
   * Log in at Django. If the user changes, an open connection is replaced by one for the new user. Rejects with
   * `UnauthorizedError` or `RequestFailed`.
   */
  login(username: string, password: string): Promise<void>;
  /** Disconnect, forget the user's tokens and channels, and log out at Django. Rejects with `RequestFailed`. */
  logout(): Promise<void>;
  /**
   * Connect and join all the user's channels. Rejects with `UnauthorizedError`, `RequestFailed`, `ConnectionClosed` or
   * `ConfigurationError`. Temporary failures are retried instead.
   */
  connect(): Promise<void>;
  disconnect(): void;
  /**
   * Join a channel; connect first if there is no connection. Rejects with `ChannelRefused` if the user may not join,
   * with `ChannelLeft` if the page leaves the channel first, and with the errors of `connect()`.
   */
  subscribe(name: string): Promise<Subscription>;
  /** Leave a channel. Does nothing if the page has not joined it. */
  unsubscribe(name: string): void;
  /** Handle the messages of a channel, of an event class, or all messages ("*"). */
  on(selector: string, handler: Handler): Undo;
  /** Receive whispers: publications that clients send themselves. Handlers of messages, events and signals never do. */
  onWhisper(run: (whisper: Whisper) => void): Undo;
  /** Events of Django models, and custom events of the site. */
  readonly events: InstantEvents;
  /**
   * Return the users in a channel that this page has joined. Rejects with `ConnectionClosed` without a connection, and
   * with `InstantError` if the page has not joined the channel, or the options of its namespace do not allow it.
   */
  presence(channel: string): Promise<Person[]>;
  /** Run a function when a connection joins a channel. Add the listener before the page joins its channels. */
  onJoin(run: (event: PresenceEvent) => void): Undo;
  /** Run a function when a connection leaves a channel. Add the listener before the page joins its channels. */
  onLeave(run: (event: PresenceEvent) => void): Undo;
  /** Return headers for your own requests. With them, Django can exclude this page from the messages it publishes. */
  headers(): Record<string, string>;
  /**
   * Call the Python functions that are connected to a signal. Resolves with the function's result if there is one
   * function and it is not queued, else with `{queued: true}`. Waits for the connection, and for the answer to the
   * previous call of the same signal. Rejects with `CallRefused`, `CallFailed` or `CallTimeout`, with a `TypeError` if
   * the arguments are not JSON, and with the errors of `connect()`.
   */
  call(name: string, opts?: CallOpts, options?: CallOptions): Promise<JsonValue>;
  /** Signals between Django and this page. */
  readonly windows: InstantWindows;
  /**
   * Open a socket to the Python handler with this name; default: "default". Connects first if there is no connection.
   * Throws a DOMException (`SyntaxError`) for an invalid name, a `TypeError` if `options.data` is not JSON, and a
   * `RangeError` if it is too large.
   */
  socket(name?: string, options?: SocketOptions): InstantSocket;
  /** Run a function each time the connection is established, reconnects included. */
  onConnect(run: () => void): Undo;
  /** Run a function when the connection is closed and the client does not reconnect. `onState` reports reconnects. */
  onDisconnect(run: (event: DisconnectEvent) => void): Undo;
  /** Run a function for each error. Without a listener, errors go to the console. */
  onError(run: (error: InstantError) => void): Undo;
  /** Run a function each time a channel is joined, after a reconnect as well. */
  onSubscribe(run: (event: SubscribeEvent) => void): Undo;
  /** Run a function when the page leaves or loses a channel that it had joined. */
  onUnsubscribe(run: (event: UnsubscribeEvent) => void): Undo;
  /** Run a function when the page loses a channel because the user no longer has permission to be in it. */
  onRevoked(run: (event: RevokedEvent) => void): Undo;
  /**
   * Run a function when the user's permissions have changed since Django rendered the page. The page has then left its
   * topics. A page of the Django site is reloaded once it is visible, unless a listener calls `event.preventDefault()`.
   */
  onRightsChanged(run: (event: RightsChangedEvent) => void): Undo;
  /** Run a function each time `state` changes. */
  onState(run: (state: State) => void): Undo;
}

/**
 * Return a new client. It sends no request and does not connect before one of its methods needs a connection. Throws
 * `ConfigurationError` if `credentials` or `sendersTo` is invalid.
 */
export function useInstant(options: Options = {}): Instant {
  return instantOf(new Session(options));
}

/** Return the public interface of a session. */
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
