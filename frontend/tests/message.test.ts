import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Message, toMessage } from "../src/index";

interface Vector {
  readonly name: string;
  readonly channel: string;
  readonly payload: unknown;
  readonly message: Message;
}

const path = new URL("../../tests/contract/messages.json", import.meta.url);
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
