/** What Django tells of its objects, and events that a site makes itself (`instant.events` in Python). */

import { EVERY, type Handlers } from "./handlers.js";
import type { Undo } from "./listeners.js";
import { isObject, type JsonValue, type Message } from "./message.js";

export type Operation = "create" | "update" | "delete";
/** The fields of an object, as its event class sends them. */
export type Fields = { readonly [field: string]: JsonValue };

/** One event. `Data` is what the handlers expect: nobody looks whether that is so. */
export interface InstantEvent<Data = Fields> {
  /** Its name: "blog.Post". */
  readonly event: string;
  /** Null for events that are no model's. */
  readonly operation: Operation | null;
  readonly verboseName: string;
  /** The object's key; null for events that are no model's. */
  readonly pk: JsonValue;
  readonly data: Data;
  /** The fields that changed, where Django was told. */
  readonly changed: readonly string[] | null;
  /** The message by which it came. */
  readonly message: Message;
}

export type EventHandler<Data = Fields> = (data: Data, event: InstantEvent<Data>) => void;

/** What to do with the events of a model. */
export interface EventHandlers<Data = Fields> {
  created?: EventHandler<Data>;
  updated?: EventHandler<Data>;
  deleted?: EventHandler<Data>;
}

/** `instant.events`. */
export interface InstantEvents {
  /** Have the events of this name handled, whatever channel they come by: by operation, or all by one function. */
  on<Data = Fields>(name: string, handlers: EventHandlers<Data> | EventHandler<Data>): Undo;
}

const HANDLER_OF: { readonly [operation in Operation]: keyof EventHandlers } = {
  create: "created",
  update: "updated",
  delete: "deleted",
};

export function eventsOf(messages: Handlers): InstantEvents {
  return {
    on: <Data>(name: string, handlers: EventHandlers<Data> | EventHandler<Data>) =>
      messages.on(EVERY, (message) => {
        const event = toEvent<Data>(message);
        if (event?.event !== name) return;
        if (typeof handlers === "function") handlers(event.data, event);
        else if (event.operation !== null) handlers[HANDLER_OF[event.operation]]?.(event.data, event);
      }),
  };
}

/** Read the event that a message tells of; null where it tells of none. */
export function toEvent<Data = Fields>(message: Message): InstantEvent<Data> | null {
  const { data } = message;
  if (!isObject(data) || typeof data["event"] !== "string" || !("operation" in data && "pk" in data)) return null;
  const { event, operation, verbose_name: verboseName, pk, changed } = data;
  return {
    event,
    operation: isOperation(operation) ? operation : null,
    verboseName: typeof verboseName === "string" ? verboseName : "",
    pk: pk as JsonValue,
    data: data["data"] as Data,
    changed: Array.isArray(changed) ? (changed as string[]) : null,
    message,
  };
}

function isOperation(value: unknown): value is Operation {
  return value === "create" || value === "update" || value === "delete";
}
