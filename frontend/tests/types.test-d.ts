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
