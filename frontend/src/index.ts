export { type Channel, type Instant, useInstant } from "./client.js";
export {
  ChannelError,
  ChannelLeft,
  ChannelRefused,
  ConfigurationError,
  ConnectionClosed,
  ConnectionError,
  HandlerError,
  InstantError,
  RequestFailed,
  UnauthorizedError,
} from "./errors.js";
export type { DisconnectEvent, State } from "./events.js";
export type { Handler } from "./handlers.js";
export type { Undo } from "./listeners.js";
export { type JsonValue, type Message, toMessage } from "./message.js";
export type { EventHandler, EventHandlers, Fields, InstantEvent, InstantEvents, Operation } from "./modelEvents.js";
export type { Options } from "./options.js";
export type { Person, PresenceEvent } from "./presence.js";
export type { InstantSocket, SocketEventMap, SocketMessage, SocketOptions } from "./sockets/interface.js";
export type { CallOptions, CallOpts } from "./windows/calls.js";
export { CallFailed, CallRefused, CallTimeout } from "./windows/errors.js";
export type { FormField } from "./windows/form.js";
export type { InstantWindows } from "./windows/index.js";
export type { SignalFunction, SignalOpts } from "./windows/signals.js";
export type { SubscribeEvent, UnsubscribeEvent } from "./room.js";
export type { Subscription } from "./subscription.js";

/** The version of this package, the same as that of the Django package. */
export const version: string = __VERSION__;
