/** The npm package, and the global `djangoInstant` of instant.js. */

export { type Channel, type Instant, useInstant } from "./client.js";
export type { DisconnectEvent, RevokedEvent, RightsChangedEvent, State, SubscribeEvent, UnsubscribeEvent } from "./core/clientEvents.js";
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
} from "./core/errors.js";
export type { JsonValue } from "./core/json.js";
export type { Undo } from "./core/listeners.js";
export { type Handler, type Message, toMessage } from "./core/messages.js";
export type { EventHandler, EventHandlers, Fields, InstantEvent, InstantEvents, Operation } from "./core/modelEvents.js";
export type { Options } from "./core/options.js";
export type { Person, PresenceEvent } from "./core/presence.js";
export type { Subscription } from "./core/joinedChannel.js";
export type { Whisper } from "./core/whispers.js";
export type { InstantSocket, SocketEventMap, SocketMessage, SocketOptions } from "./sockets/interface.js";
export { CallFailed, CallRefused, CallTimeout } from "./windows/callErrors.js";
export type { CallOptions, CallOpts } from "./windows/calls.js";
export type { FormField } from "./windows/formFields.js";
export type { SignalFunction, SignalOpts } from "./windows/signals.js";
export type { InstantWindows } from "./windows/windowSignals.js";

/** The version of this package, the same as that of the Django package. */
export const version: string = __VERSION__;
