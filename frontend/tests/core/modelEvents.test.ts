import { beforeEach, describe, expect, it } from "vitest";
import type { JsonValue } from "../../src/core/json";
import { Handlers, type Message, toMessage } from "../../src/core/messages";
import { eventsOf, type InstantEvents, toEvent } from "../../src/core/modelEvents";

const told = (content: object): Message => toMessage("any", { site: "S", data: content as JsonValue });
const post = (operation: string | null, title = "One"): Message =>
  told({ event: "blog.Post", operation, verbose_name: "post", pk: 1, data: { title }, changed: ["title"] });

describe("model events", () => {
  let failures: unknown[];
  let handlers: Handlers;
  let events: InstantEvents;
  let ran: unknown[];
  beforeEach(() => {
    [failures, ran] = [[], []];
    handlers = new Handlers((_message, error) => failures.push(error));
    events = eventsOf(handlers);
  });

  it("go to the handler of what happened", () => {
    events.on<{ title: string }>("blog.Post", {
      created: ({ title }, { pk, verboseName }) => ran.push(["created", title, pk, verboseName]),
      updated: ({ title }, { changed, message }) => ran.push(["updated", title, changed, message.channel]),
      deleted: ({ title }, { operation, event }) => ran.push(["deleted", title, operation, event]),
    });
    for (const operation of ["create", "update", "delete", "explode", null]) handlers.dispatch(post(operation));
    expect(ran).toEqual([
      ["created", "One", 1, "post"],
      ["updated", "One", ["title"], "any"],
      ["deleted", "One", "delete", "blog.Post"],
    ]);
  });

  it("go all to one function, with those that a site makes itself", () => {
    events.on("blog.Post", (_data, { operation }) => ran.push(operation));
    const undo = events.on<{ item: number }>("sold-out", ({ item }, { pk, changed }) => ran.push([item, pk, changed]));
    const soldOut = told({ event: "sold-out", operation: null, verbose_name: "", pk: null, data: { item: 5 }, changed: null });
    handlers.dispatch(post("create"));
    handlers.dispatch(soldOut);
    undo();
    handlers.dispatch(soldOut);
    expect(ran).toEqual(["create", [5, null, null]]);
  });

  it("leave out what nobody asked for, and one that throws stops nobody", () => {
    const error = new Error("on purpose");
    events.on("blog.Post", {
      updated: () => {
        throw error;
      },
    });
    events.on("blog.Post", () => ran.push("next"));
    events.on("blog.Other", () => ran.push("never"));
    handlers.dispatch(post("update"));
    handlers.dispatch(post("create"));
    expect([ran, failures]).toEqual([["next", "next"], [error]]);
  });

  it.each([null, [], "text", { event: 1 }, { event: "blog.Post" }, { event: "blog.Post", operation: "create" }])(
    "are not made of %j",
    (data) => expect(toEvent(told(data as object))).toBeNull(),
  );
});
