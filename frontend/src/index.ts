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
export type { Options } from "./options.js";
export type { SubscribeEvent, UnsubscribeEvent } from "./room.js";

/** The version of this package, the same as that of the Django package. */
export const version: string = __VERSION__;
