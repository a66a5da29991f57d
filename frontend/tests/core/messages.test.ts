import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { Handlers, type Message, toMessage } from "../../src/core/messages";
import { REMEMBERED_UIDS } from "../../src/core/protocol";

interface Vector {
  readonly name: string;
  readonly channel: string;
  readonly payload: unknown;
  readonly message: Message;
}

const path = new URL("../../../tests/contract/messages.json", import.meta.url);
const vectors = JSON.parse(readFileSync(path, "utf8")) as Vector[];
const empty = { site: "", uid: "", timestamp: "", message: "", eventClass: "", bucket: "" };

describe("a payload", () => {
  it.each(vectors)("of the contract is read: $name", ({ channel, payload, message }) => {
    expect(toMessage(channel, payload)).toEqual(message);
  });

  it.each([
    ["a text", "hello"],
    ["a text that is JSON", "[1, 2]"],
    ["a number", 5],
    ["null", null],
    ["a list", [1]],
    ["an object", { message: "no site" }],
    ["a site alone", { site: "x" }],
    ["a site of a wrong type", { site: 5, message: "x" }],
  ])("in a foreign shape is kept as data: %s", (_name, raw) => {
    expect(toMessage("c", raw)).toEqual({ ...empty, channel: "c", data: raw });
  });

  it("of version 4 has neither uid nor timestamp", () => {
    const raw = JSON.stringify({ channel: "c", site: "s", message: "hi", event_class: null });
    expect(toMessage("c", raw)).toEqual({ ...empty, channel: "c", site: "s", message: "hi", data: null });
  });

  it("with values of wrong types loses only these", () => {
    const raw = { site: "s", message: 5, data: 1, uid: {}, event_class: ["x"], new_key: true };
    expect(toMessage("c", raw)).toEqual({ ...empty, channel: "c", site: "s", data: 1 });
  });

  it("cannot pretend to come by another channel", () => {
    expect(toMessage("mine", JSON.stringify({ channel: "other", site: "s", message: "x" })).channel).toBe("mine");
  });

  it("that is missing is null", () => {
    expect(toMessage("c", undefined)).toEqual({ ...empty, channel: "c", data: null });
  });
});

const message = (content: Partial<Message> = {}): Message => ({
  ...toMessage("news", null),
  eventClass: "post.saved",
  ...content,
});

describe("handlers", () => {
  let failures: unknown[];
  let handlers: Handlers;
  let ran: string[];
  beforeEach(() => {
    failures = [];
    ran = [];
    handlers = new Handlers((_message, error) => failures.push(error));
  });

  const note = (name: string) => (): void => void ran.push(name);

  it("run in order: the channel's, the event class's, those of all", () => {
    handlers.on("*", note("all"));
    handlers.on("post.saved", note("class 1"));
    handlers.on("news", note("channel 1"));
    handlers.on("post.saved", note("class 2"));
    handlers.on("news", note("channel 2"));
    handlers.on("other", note("other"));
    handlers.dispatch(message());
    expect(ran).toEqual(["channel 1", "channel 2", "class 1", "class 2", "all"]);
  });

  it("run once where channel and event class have the same name", () => {
    handlers.on("news", note("both"));
    handlers.dispatch(message({ eventClass: "news" }));
    expect(ran).toEqual(["both"]);
  });

  it("end with their undo, which may be called again", () => {
    const same = note("same");
    const undo = handlers.on("news", same);
    handlers.on("news", same);
    handlers.dispatch(message());
    undo();
    undo();
    handlers.dispatch(message());
    expect(ran).toEqual(["same", "same", "same"]);
  });

  it("do not disturb later ones by an undo that comes late", () => {
    const undo = handlers.on("news", note("first"));
    undo();
    handlers.on("news", note("second"));
    undo();
    handlers.dispatch(message());
    expect(ran).toEqual(["second"]);
  });

  it("may undo and add others while they run", () => {
    const undos = [handlers.on("news", () => undos[1]?.())];
    undos.push(handlers.on("news", note("undone")));
    handlers.on("*", () => handlers.on("*", note("added")));
    handlers.dispatch(message());
    expect(ran).toEqual([]);
    handlers.dispatch(message());
    expect(ran).toEqual(["added"]);
  });

  it("that throw stop nobody", () => {
    const error = new Error("on purpose");
    handlers.on("news", () => {
      throw error;
    });
    handlers.on("news", note("next"));
    handlers.dispatch(message());
    expect([ran, failures]).toEqual([["next"], [error]]);
  });

  it("are not given what is left out, by whatever channel it comes", () => {
    handlers.on("*", note("never"));
    handlers.dispatch(message({ uid: "1" }), true);
    handlers.dispatch(message({ uid: "1", channel: "elsewhere" }));
    handlers.dispatch(message(), true);
    expect(ran).toEqual([]);
  });

  it("get each uid once, of the last 10000", () => {
    handlers.on("*", ({ uid }) => ran.push(uid));
    for (let index = 0; index <= REMEMBERED_UIDS; index += 1) handlers.dispatch(message({ uid: String(index) }));
    expect(ran).toHaveLength(REMEMBERED_UIDS + 1);
    handlers.dispatch(message({ uid: "1" }));
    handlers.dispatch(message({ uid: String(REMEMBERED_UIDS), channel: "elsewhere" }));
    expect(ran).toHaveLength(REMEMBERED_UIDS + 1);
    handlers.dispatch(message({ uid: "0" }));
    expect(ran).toHaveLength(REMEMBERED_UIDS + 2);
  });

  it("get every message without uid", () => {
    handlers.on("*", note("again"));
    handlers.dispatch(message());
    handlers.dispatch(message());
    expect(ran).toHaveLength(2);
  });
});
