/** Events of Django models, and custom events of the site (`instant.events` in Python). */

import { isObject, type JsonValue, text } from "./json.js";
import type { Undo } from "./listeners.js";
import { EVERY, type Handlers, type Message } from "./messages.js";

export type Operation = "create" | "update" | "delete";
/** The fields of a model object, as the `BaseEventModel` class in Python sends them. */
export type Fields = { readonly [field: string]: JsonValue };

/** One event. `Data` is the type that the handlers expect. It is not checked at run time. */
export interface InstantEvent<Data = Fields> {
  /** The name of the event, such as "blog.Post". */
  readonly event: string;
  /** Null for events that do not belong to a model. */
  readonly operation: Operation | null;
  readonly verboseName: string;
  /** The object's primary key; null for events that do not belong to a model. */
  readonly pk: JsonValue;
  readonly data: Data;
  /** The names of the changed fields; null if Django does not know them. */
  readonly changed: readonly string[] | null;
  /** The message that contained the event. */
  readonly message: Message;
}

export type EventHandler<Data = Fields> = (data: Data, event: InstantEvent<Data>) => void;

/** The handlers of a model's events. */
export interface EventHandlers<Data = Fields> {
  created?: EventHandler<Data>;
  updated?: EventHandler<Data>;
  deleted?: EventHandler<Data>;
}

/** The interface of `instant.events`. */
export interface InstantEvents {
  /** Handle the events with this name, from any channel, with one function per operation or one function for all. */
  on<Data = Fields>(name: string, handlers: EventHandlers<Data> | EventHandler<Data>): Undo;
}

const HANDLER_OF: { readonly [operation in Operation]: keyof EventHandlers } = {
  create: "created",
  update: "updated",
  delete: "deleted",
};

/** Return the `instant.events` interface of these message handlers. */
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

/** Return the event that a message contains, or null. */
export function toEvent<Data = Fields>(message: Message): InstantEvent<Data> | null {
  const { data } = message;
  if (!isObject(data) || typeof data["event"] !== "string" || !("operation" in data && "pk" in data)) return null;
  const { event, operation, verbose_name: verboseName, pk, changed } = data;
  return {
    event,
    operation: isOperation(operation) ? operation : null,
    verboseName: text(verboseName),
    pk: pk as JsonValue,
    data: data["data"] as Data,
    changed: Array.isArray(changed) ? (changed as string[]) : null,
    message,
  };
}

function isOperation(value: unknown): value is Operation {
  return value === "create" || value === "update" || value === "delete";
}
