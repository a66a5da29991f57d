/** Signals without a document; tests/browser/test_windows*.py has the rest. */

import type { Centrifuge } from "centrifuge";
import { EventEmitter } from "node:events";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { instantOf } from "../../src/client";
import { type ChannelOwner, ChannelSubscription } from "../../src/core/channelSubscription";
import { ClientEvents, type State } from "../../src/core/clientEvents";
import { DjangoApi } from "../../src/core/djangoApi";
import { ConnectionClosed } from "../../src/core/errors";
import { MAX_SENT_BYTES } from "../../src/core/json";
import { PAGE, SIGNAL } from "../../src/core/protocol";
import { Session } from "../../src/core/siteSession";
import { parseCredentials } from "../../src/core/credentials";
import type { ConnectionWaitOwner } from "../../src/core/waitForConnection";
import { CallFailed, CallRefused, CallTimeout, callError } from "../../src/windows/callErrors";
import { Windows } from "../../src/windows/windowSignals";
import { jwt } from "../support/django";

type Rpc = { name: string; data: unknown; answer: (data: unknown) => void; fail: (error: unknown) => void };

/** A session whose calls a test answers. */
class Fake {
  readonly events = new ClientEvents(false);
  readonly sent: Rpc[] = [];
  state: State = "connected";
  connects = 0;
  readonly client = {
    rpc: (name: string, data: unknown) =>
      new Promise((resolve, fail) => {
        this.sent.push({ name, data, answer: (given) => resolve({ data: given }), fail });
      }),
  };

  connect(): Promise<void> {
    this.connects += 1;
    this.become("connected");
    return Promise.resolve();
  }

  become(state: State): void {
    this.state = state;
    this.events.state.emit(state);
    if (state === "connected") this.events.connected.emit({} as never);
    if (state === "disconnected") this.events.disconnected.emit({ code: 3500, reason: "invalid token" });
  }

  private get channelOwner(): ChannelOwner {
    return { events: this.events, account: { tenant: "" }, hasSent: () => false } as unknown as ChannelOwner;
  }

  get owner(): ConnectionWaitOwner {
    return this as unknown as ConnectionWaitOwner;
  }

  /** Have the SDK emit a publication. */
  receive(name: string, data: object): void {
    const subscription = Object.assign(new EventEmitter(), { subscribe: () => undefined });
    const client = { newSubscription: () => subscription, removeSubscription: () => undefined };
    const channel = new ChannelSubscription(name, this.channelOwner);
    channel.attach(client as unknown as Centrifuge);
    subscription.emit("publication", { channel: name, data });
  }

  /** What was sent, once all that is under way has come to rest. */
  async names(): Promise<string[]> {
    await new Promise((resolve) => setTimeout(resolve));
    return this.sent.map(({ name, data }) => `${name} ${JSON.stringify(data)}`);
  }
}

let fake: Fake;
let windows: Windows;
beforeEach(() => {
  fake = new Fake();
  windows = new Windows(fake.owner, false);
});

const signal = (name: string, opts: unknown, uid = ""): void =>
  fake.receive("$page:1", { site: "s", uid, message: "", event_class: SIGNAL, data: { name, opts } });

describe("functions of a signal", () => {
  it("run in order, once for each uid, and message handlers do not run", () => {
    const ran: unknown[] = [];
    fake.events.messages.on("*", () => ran.push("handler"));
    const undo = windows.functions.connect("app.one", (opts) => void ran.push([1, opts]));
    windows.functions.connect("app.one", (opts) => void ran.push([2, opts]));
    signal("app.one", { n: 1 }, "uid");
    signal("app.one", { n: 1 }, "uid");
    signal("app.other", {});
    undo();
    undo();
    signal("app.one", null);
    expect(ran).toEqual([[1, { n: 1 }], [2, { n: 1 }], [2, {}]]);
  });

  it("do not stop each other, and invalid signals are ignored", () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const ran: string[] = [];
    windows.functions.connect("app.one", () => {
      throw new Error("on purpose");
    });
    windows.functions.connect("app.one", () => void ran.push("second"));
    signal("app.one", {});
    for (const data of [null, [], "app.one", { name: 1 }]) {
      fake.receive("c", { site: "s", uid: "", event_class: SIGNAL, data });
    }
    expect(ran).toEqual(["second"]);
    expect(printed).toHaveBeenCalledOnce();
    printed.mockRestore();
  });
});

describe("a call", () => {
  it.each([
    [{ value: 42 }, 42],
    [{ value: null }, null],
    [{ queued: true }, { queued: true }],
    [undefined, null],
  ])("answered with %j has the value %j", async (answer, value) => {
    const call = windows.calls.call("app.one", { a: 1 });
    expect(await fake.names()).toEqual(['app.one {"a":1}']);
    fake.sent[0]?.answer(answer);
    expect(await call).toEqual(value);
  });

  it("waits for the previous call of the same signal, whether it succeeded or not", async () => {
    const opts = { n: 1 };
    const first = windows.calls.call("app.one", opts);
    opts.n = 2;
    const second = windows.calls.call("app.one", opts);
    opts.n = 3;
    void windows.calls.call("app.two");
    void windows.calls.call("app.one", { n: "parallel" }, { parallel: true });
    expect(await fake.names()).toEqual(['app.one {"n":"parallel"}', 'app.one {"n":1}', "app.two {}"]);
    fake.sent[1]?.fail({ code: 403, message: "no" });
    await expect(first).rejects.toBeInstanceOf(CallRefused);
    expect((await fake.names())[3]).toBe('app.one {"n":2}');
    fake.sent[3]?.answer({ value: "second" });
    expect(await second).toBe("second");
  });

  it("runs the functions of this window immediately", async () => {
    const ran: unknown[] = [];
    windows.functions.connect("app.one", (opts) => void ran.push(opts));
    const call = windows.functions.call("app.one", { a: 1 });
    expect(ran).toEqual([{ a: 1 }]);
    await fake.names();
    fake.sent[0]?.answer({ value: "answer" });
    expect(await call).toBe("answer");
  });

  it("of a signal with functions only in this window is not an error", async () => {
    const [unknown, gone] = [{ code: 404, message: "there is no such signal" }, { code: 404, message: "no such post" }];
    windows.functions.connect("app.one", () => undefined);
    const calls = ["app.one", "app.one", "app.two"].map((name) => windows.functions.call(name, {}, { parallel: true }));
    await fake.names();
    for (const [index, error] of [unknown, gone, unknown].entries()) fake.sent[index]?.fail(error);
    const ended = await Promise.allSettled(calls);
    expect(ended.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  });

  it.each([
    [{ code: 403, message: "permission denied" }, CallRefused, "s: permission denied (403)"],
    [{ code: 1000, message: "spam" }, CallRefused, "s: spam (1000)"],
    [{ code: 104, message: "method not found" }, CallRefused, "s: method not found (104)"],
    [{ code: 500, message: "internal error" }, CallFailed, "s: internal error (500)"],
    [{ code: 100, message: "internal server error", temporary: true }, CallTimeout, "s: still running (100)"],
    [{ code: 1, message: "timeout" }, CallTimeout, "s: still running (1)"],
    [{ code: 11, message: "connection closed" }, CallFailed, "s: the connection was lost; it may have run (11)"],
    [new Error("bug"), CallFailed, "s: bug (0)"],
  ])("that fails with %j", (cause, Kind, text) => {
    const error = callError("s", cause);
    expect(error.constructor).toBe(Kind);
    expect(error).toMatchObject({ message: text, signal: "s", code: (cause as { code?: number }).code ?? 0 });
  });

  it("that is too large for the server is refused by the client", async () => {
    await expect(windows.calls.call("s", { text: "é".repeat(MAX_SENT_BYTES / 2) })).rejects.toMatchObject({ code: 413 });
    const circle: { self?: object } = {};
    circle.self = circle;
    await expect(windows.calls.call("s", circle)).rejects.toThrow(TypeError);
    expect(await fake.names()).toEqual([]);
    void windows.calls.call("s", { text: "é".repeat(MAX_SENT_BYTES / 2 - 20) });
    expect(await fake.names()).toHaveLength(1);
  });

  it("waits for the connection, and for a reconnect", async () => {
    fake.state = "disconnected";
    void windows.calls.call("app.one");
    expect(await fake.names()).toEqual([]);
    fake.become("connecting");
    expect(await fake.names()).toEqual([]);
    fake.become("connected");
    expect(await fake.names()).toEqual(["app.one {}"]);
    fake.become("connecting");
    void windows.calls.call("app.two");
    fake.become("connected");
    expect(await fake.names()).toEqual(["app.one {}", "app.two {}"]);
    expect(fake.connects).toBe(0);
  });

  it("is refused if the connection is closed for good, until the next one", async () => {
    fake.become("connecting");
    const waiting = windows.calls.call("app.one");
    fake.become("disconnected");
    await expect(waiting).rejects.toMatchObject({ code: 3500 });
    await expect(windows.calls.call("app.two")).rejects.toBeInstanceOf(ConnectionClosed);
    fake.become("connecting");
    fake.become("connected");
    void windows.calls.call("app.three");
    expect(await fake.names()).toEqual(["app.three {}"]);
    windows.connectionWait.reject(new ConnectionClosed(1, "nobody"));
    fake.state = "disconnected";
    await expect(windows.calls.call("app.four")).rejects.toMatchObject({ code: 1 });
  });

  it("connects first if the page has not", async () => {
    windows = new Windows({ ...fake, events: fake.events, client: null, state: "disconnected", connect: () => fail() }, true);
    const fail = (): Promise<void> => Promise.reject(new ConnectionClosed(1, "unauthorized"));
    await expect(windows.calls.call("app.one")).rejects.toMatchObject({ code: 1, reason: "unauthorized" });
  });
});

describe("the window of a page", () => {
  const token = (claims: object): string => jwt({ sub: "7", iat: 0, exp: 4e9, ...claims });
  const channels = [
    { name: "$page:0", level: PAGE, token: token({ channel: "$page:0" }), position: { offset: 0, epoch: "" } },
    { name: "news", level: "public", token: token({ channel: "news" }) },
  ];
  const answer = { csrf_token: "csrf", ws_token: token({}), channels, window: "blob" };

  it.each([
    [{}, undefined],
    [{ window: "blob" }, "blob"],
    [{ window: null }, null],
    [{ window: "" }, null],
  ])("is read of %j", (more, window) => {
    expect(parseCredentials({ ws_token: token({}), ...more }).window).toBe(window);
  });

  it("is sent with each token request while it is valid", async () => {
    const answers: object[] = [{}, { window: null }, {}];
    const asked: unknown[] = [];
    const fetch = (_url: unknown, init?: RequestInit): Promise<Response> => {
      asked.push(JSON.parse(String(init?.body)));
      return Promise.resolve(new Response(JSON.stringify({ ws_token: token({}), ...answers.shift() })));
    };
    const django = new DjangoApi({ fetch: fetch as typeof globalThis.fetch, path: "/" });
    django.note(parseCredentials(answer));
    const { signal } = new AbortController();
    await django.getToken(null, signal);
    await django.getToken(["$page:0"], signal);
    await django.getToken(null, signal);
    expect(asked).toEqual([{ path: "/", window: "blob" }, { channels: ["$page:0"], window: "blob" }, { path: "/" }]);
  });

  const endings: [string, object[], boolean][] = [
    ["with another user", [{ ws_token: token({ sub: "8" }), window: null }], false],
    ["with the rights of the user", [{}, { window: null }, {}], true],
    ["not while it is accepted", [{}, { window: "blob" }], false],
  ];

  it.each(endings)("ends %s", async (_name, answers, isReported) => {
    const count = answers.length;
    const fetch = (): Promise<Response> => {
      return Promise.resolve(new Response(JSON.stringify({ ws_token: token({}), ...answers.shift() })));
    };
    const session = new Session({ credentials: answer, fetch: fetch as typeof globalThis.fetch });
    const instant = instantOf(session);
    const stale = vi.fn();
    const reported = vi.fn();
    session.onStale = stale;
    instant.onRightsChanged(reported);
    for (let number = 0; number < count; number += 1) {
      session.account.tokens.clear();
      await session.account.renew([]);
    }
    expect(reported).toHaveBeenCalledTimes(isReported ? 1 : 0);
    expect(stale).toHaveBeenCalledTimes(isReported ? 1 : 0);
  });

  it("ends without a reload if a listener prevents it", async () => {
    const fetch = (): Promise<Response> => Promise.resolve(new Response(JSON.stringify({ ws_token: token({}), window: null })));
    const session = new Session({ credentials: answer, fetch: fetch as typeof globalThis.fetch });
    const stale = vi.fn();
    session.onStale = stale;
    const seen: boolean[] = [];
    instantOf(session).onRightsChanged((event) => {
      event.preventDefault();
      seen.push(event.defaultPrevented);
    });
    session.account.tokens.clear();
    await session.account.renew([]);
    expect(seen).toEqual([true]);
    expect(stale).not.toHaveBeenCalled();
  });

  it("ends without an event at logout", async () => {
    const fetch = (): Promise<Response> => Promise.resolve(new Response(JSON.stringify({ ws_token: token({}), window: null })));
    const session = new Session({ credentials: answer, fetch: fetch as typeof globalThis.fetch });
    const reported = vi.fn();
    session.events.rightsChanged.add(reported);
    await session.logout();
    await session.account.renew([]);
    expect(reported).not.toHaveBeenCalled();
  });

  it("has channels that are not the user's, and end with the window", () => {
    const session = new Session({ credentials: answer });
    const instant = instantOf(session);
    expect(instant.channels).toEqual([{ name: "news", level: "public" }]);
    expect(session.channels.all.map(({ name }) => name)).toEqual(["$page:0", "news"]);
    session.channels.changeUser(null);
    expect(session.channels.all).toEqual([]);
  });
});
