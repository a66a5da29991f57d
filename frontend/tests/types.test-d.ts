/** Checked by `npm run types`, never run: what must compile, and what must not. */

import { ChannelRefused, type InstantError, type JsonValue, type Message, useInstant } from "../src/index";

const instant = useInstant();
useInstant({ backendUrl: "https://example.org", debug: true, fetch, websocket: class {} });

export const undo: () => void = instant.on("$users", (message) => {
  export_(message.data);
  // @ts-expect-error: data may be anything that JSON can hold
  export_(message.data.title);
  // @ts-expect-error: messages are read only
  message.message = "other";
  // @ts-expect-error: the name of 4.x
  export_(message.channelName);
});

export const done: Promise<void> = instant.connect();
export const names: string[] = instant.channels.map(({ name }) => name);
export const states: "disconnected" | "connecting" | "connected" = instant.state;

instant.onError((error: InstantError) => {
  if (error instanceof ChannelRefused) export_(error.channel + error.reason);
  // @ts-expect-error: only a refused channel has one
  export_(error.channel);
});
instant.onSubscribe(({ channel, wasRecovering, recovered }) => export_([channel, wasRecovering, recovered]));
instant.onRightsChanged((event) => event.defaultPrevented || event.preventDefault());
instant.onRevoked(({ channel, reason }) => export_([channel, reason]));
instant.onWhisper(({ channel, data, user, client }) => export_([channel, data, user, client]));
// @ts-expect-error: the data may be anything that a client sends
instant.onWhisper(({ data }) => export_(data.text));
useInstant({ connectionLimitDelay: 60_000 });

interface Post {
  title: string;
}
export const undoEvents: () => void = instant.events.on<Post>("blog.Post", {
  created: ({ title }, { pk, changed }) => export_([title, pk, ...(changed ?? [])]),
  // @ts-expect-error: the data is a post
  updated: ({ body }) => export_(body),
});
instant.events.on("sold-out", (data, { operation }) => export_([data["item"] ?? null, operation]));
// @ts-expect-error: no such operation
instant.events.on("blog.Post", { saved: () => undefined });
export const there: Promise<readonly { user: string; info: JsonValue; clients: number }[]> = instant.presence("room:1");
instant.onJoin(({ channel, user, info }) => export_([channel, user, info]));
export const headers: Record<string, string> = instant.headers();
export const answer: Promise<JsonValue> = instant.call("blog.greet", { name: "Ann" }, { parallel: true });
instant.windows.connect("blog.changed", ({ id }) => export_(id ?? null));
export const undoSignal: () => void = instant.windows.connect<Post>("blog.changed", ({ title }) => export_(title));
// @ts-expect-error: the signal is one of a post
instant.windows.connect<Post>("blog.changed", ({ body }) => export_(body));
// @ts-expect-error: arguments have names
void instant.windows.call("blog.greet", "Ann");

const socket = instant.socket("chat", { data: { room: 1 }, reconnect: false });
socket.onmessage = ({ data, message }) => export_([data.length, message]);
socket.addEventListener("message", ({ message }) => export_(message));
socket.addEventListener("close", ({ code, reason, wasClean }) => export_([code, reason, wasClean]));
socket.addEventListener("reconnecting", ({ reason }) => export_(reason), { once: true });
/** What is written for a WebSocket takes one. */
export const plain: Pick<WebSocket, "readyState" | "send" | "close" | "bufferedAmount" | "onopen" | "onclose" | "onerror"> = socket;
// @ts-expect-error: the state is read only
socket.readyState = 1;
// @ts-expect-error: an unknown option
instant.socket("chat", { protocols: [] });

// @ts-expect-error: an unknown option
useInstant({ backend: "https://example.org" });
// @ts-expect-error: a handler is needed
instant.on("$users");
// @ts-expect-error: the password is needed
void instant.login("ann");
// @ts-expect-error: a name is needed
void instant.subscribe();
// @ts-expect-error: the state is read only
instant.state = "connected";
// @ts-expect-error: the list is read only
instant.channels.push({ name: "$x", level: "users" });
// @ts-expect-error: JSON has no undefined
export const wrong: JsonValue = undefined;
// @ts-expect-error: a message has all its parts
export const part: Message = { channel: "$x", message: "hi" };

function export_(_value: JsonValue): void {}
