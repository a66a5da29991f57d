import type { Centrifuge } from "centrifuge";
import { PAGE } from "./protocol.js";
import type { InstantError } from "./errors.js";
import type { DisconnectEvent, State } from "./events.js";
import type { Handler } from "./handlers.js";
import type { Undo } from "./listeners.js";
import type { JsonValue } from "./message.js";
import { eventsOf, type InstantEvents } from "./modelEvents.js";
import type { Options } from "./options.js";
import { type Person, presence, type PresenceEvent } from "./presence.js";
import type { SubscribeEvent, UnsubscribeEvent } from "./room.js";
import { Session } from "./session.js";
import { Sockets } from "./sockets/index.js";
import type { InstantSocket, SocketOptions } from "./sockets/interface.js";
import { type Subscription, subscribed } from "./subscription.js";
import type { CallOptions, CallOpts } from "./windows/calls.js";
import { type InstantWindows, Windows } from "./windows/index.js";

/** A channel that the page is in, or joins when it connects. */
export interface Channel {
  readonly name: string;
  /** Who may join: "public", "users", "groups", "staff", "superuser", "user" or "rule"; "" until Django has told. */
  readonly level: string;
}

/** What `useInstant` returns. Its functions need no `this`, and each `on…` returns its undo. */
export interface Instant {
  /** The user whose tokens these are, as the server knows them; "" for a visitor, null while unknown. */
  readonly user: string | null;
  readonly state: State;
  readonly channels: readonly Channel[];
  /** The SDK's client, for what this package does not do. Another one takes its place when the user changes. */
  readonly client: Centrifuge | null;
  /** Log in at Django. Where there is a connection it becomes that of the new user. */
  login(username: string, password: string): Promise<void>;
  /** Disconnect, forget everything of the user, and log out at Django. */
  logout(): Promise<void>;
  /** Connect and join all the user's channels. Rejects where Django or the server refuses. */
  connect(): Promise<void>;
  disconnect(): void;
  /** Join a channel, and connect first where that was not done. Rejects with `ChannelRefused`. */
  subscribe(name: string): Promise<Subscription>;
  unsubscribe(name: string): void;
  /** Have messages of a channel, of an event class, or all ("*") handled. */
  on(selector: string, handler: Handler): Undo;
  /** Events of models, and a site's own ones. */
  readonly events: InstantEvents;
  /** Who is in a channel in which this page is. Rejects where the options of its namespace do not tell. */
  presence(channel: string): Promise<Person[]>;
  /** A connection came into a channel. To be called before the channels are joined. */
  onJoin(tell: (event: PresenceEvent) => void): Undo;
  onLeave(tell: (event: PresenceEvent) => void): Undo;
  /** For requests of your own: by these headers Django knows which client not to send to. */
  headers(): Record<string, string>;
  /**
   * Call the functions in Python that are connected to a signal. Resolves with what it returned where one answers at
   * once, else with `{queued: true}`. Rejects with `CallRefused`, `CallFailed` or `CallTimeout`; waits for the
   * connection, and for the answer to the call before it of the same signal.
   */
  call(name: string, opts?: CallOpts, options?: CallOptions): Promise<JsonValue>;
  /** Signals between Django and this page. */
  readonly windows: InstantWindows;
  /**
   * Open a socket of the handler in Python that has this name; without one it is "default". Connects first where that
   * was not done.
   */
  socket(name?: string, options?: SocketOptions): InstantSocket;
  onConnect(tell: () => void): Undo;
  /** The connection is over for good; one that comes back by itself is seen with `onState`. */
  onDisconnect(tell: (event: DisconnectEvent) => void): Undo;
  onError(tell: (error: InstantError) => void): Undo;
  onSubscribe(tell: (event: SubscribeEvent) => void): Undo;
  onUnsubscribe(tell: (event: UnsubscribeEvent) => void): Undo;
  onState(tell: (state: State) => void): Undo;
}

/** Make the page's client. Nothing is asked or connected before `login`, `connect` or `subscribe` is called. */
export function useInstant(options: Options = {}): Instant {
  return facade(new Session(options));
}

/** The functions of a session, bound. */
export function facade(session: Session, windows = new Windows(session, true)): Instant {
  const { events } = session;
  const sockets = new Sockets(session, windows.line);
  return {
    get user() {
      return session.account.user;
    },
    get state() {
      return session.state;
    },
    get channels() {
      return session.rooms.all.filter(({ level }) => level !== PAGE).map(({ name, level }) => ({ name, level }));
    },
    get client() {
      return session.client;
    },
    login: (username, password) => session.login(username, password),
    logout: () => session.logout(),
    connect: () => session.connect(),
    disconnect: () => session.disconnect(),
    subscribe: (name) => subscribed(session, name),
    unsubscribe: (name) => session.unsubscribe(name),
    on: (selector, handler) => events.messages.on(selector, handler),
    events: eventsOf(events.messages),
    presence: (channel) => presence(session.client, channel, session.account.user),
    onJoin: (tell) => events.joined.add(tell),
    onLeave: (tell) => events.left.add(tell),
    headers: () => session.senders.headers,
    call: (name, opts, options) => windows.ask(name, opts, options),
    windows: windows.functions,
    socket: (name, options) => sockets.open(name, options),
    onConnect: (tell) => events.connected.add(tell),
    onDisconnect: (tell) => events.disconnected.add(tell),
    onError: (tell) => events.error.add(tell),
    onSubscribe: (tell) => events.subscribed.add(tell),
    onUnsubscribe: (tell) => events.unsubscribed.add(tell),
    onState: (tell) => events.state.add(tell),
  };
}
