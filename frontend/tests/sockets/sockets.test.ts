/** Sockets with real handlers in a real worker; tests/browser/test_sockets.py has the rest. */

import { beforeEach, describe, expect, inject, it } from "vitest";
import type { InstantSocket, SocketOptions } from "../../src/index";
import { REVOKED_CODE, REVOKED_REASON } from "../../src/core/protocol";
import { MAX_SENT_BYTES } from "../../src/core/json";
import { ofDisconnect, ofRefusal } from "../../src/sockets/closeCodes";
import { SendQueue } from "../../src/sockets/sendQueue";
import { type Page, servers, until, World } from "../support/live";

/** A socket, and what happened to it. */
class Told {
  readonly socket: InstantSocket;
  readonly all: unknown[] = [];

  constructor(page: Page, name?: string, options?: SocketOptions) {
    const socket = page.socket(name, options);
    this.socket = socket;
    socket.onopen = () => this.all.push("open");
    socket.onmessage = ({ data }) => this.all.push(data);
    socket.onreconnecting = ({ code, wasClean }) => this.all.push(["reconnecting", code, wasClean]);
    socket.onerror = () => this.all.push("error");
    socket.onclose = ({ code, reason, wasClean }) => this.all.push([code, reason, wasClean]);
  }

  /** Wait for all this, and nothing else. */
  async is(...expected: unknown[]): Promise<void> {
    await until(() => this.all.length >= expected.length).catch(() => undefined);
    expect(this.all).toEqual(expected);
  }
}

const named = (name: string): object => expect.objectContaining({ name }) as object;

describe.runIf(inject("sockets")).each(servers)("sockets, on $name", ({ port }) => {
  let world: World;
  let page: Page;
  beforeEach(async () => {
    world = await World.open(port);
    world.django.users.set("ann", { ...inject("socketUser")!, password: "secret", channels: [] });
    page = world.page("ann");
  });

  it("connect, and are what a WebSocket is", async () => {
    const { socket, ...told } = new Told(page, "echo");
    const { all } = told;
    expect([socket.CONNECTING, socket.OPEN, socket.CLOSING, socket.CLOSED]).toEqual([0, 1, 2, 3]);
    expect([socket.readyState, socket.bufferedAmount, socket.extensions, socket.protocol, socket.binaryType]).toEqual([0, 0, "", "", "blob"]);
    expect(socket.url).toMatch(/^ws:echo:[0-9a-f]{16}$/);
    expect(socket).toBeInstanceOf(EventTarget);
    const seen: unknown[] = [];
    socket.addEventListener("message", function (event) {
      seen.push([this === socket, event instanceof MessageEvent, event.message]);
    });
    socket.onopen = function (event) {
      all.push([this === socket, event.type, socket.readyState]);
    };
    await until(() => all.length === 1);
    socket.send("text");
    socket.send(JSON.stringify({ a: 1 }));
    socket.send({ a: [1, null, "é"] });
    socket.send(42);
    socket.send("half \ud83d, whole \u{1f600}");
    expect(socket.bufferedAmount).toBeGreaterThan(50);
    const sent = ["text", '{"a":1}', '{"a":[1,null,"é"]}', "42", "half \ufffd, whole \u{1f600}"];
    await until(() => all.length === 6 && socket.bufferedAmount === 0);
    expect(all).toEqual([[true, "open", 1], ...sent]);
    expect(seen.map((each) => (each as unknown[])[2])).toEqual(["text", '{"a":1}', { a: [1, null, "é"] }, 42, sent[4]]);
    expect(seen.every((each) => (each as unknown[])[0] && (each as unknown[])[1])).toBe(true);
    socket.onmessage = null;
    socket.close(3001, "enough");
    expect(socket.readyState).toBe(2);
    await until(() => socket.readyState === 3);
    expect(all.slice(6)).toEqual([[3001, "enough", true]]);
    expect(page.client?.subscriptions()).toEqual({});
  });

  it("throw what a WebSocket throws", async () => {
    const { socket } = new Told(page, "echo");
    expect(() => socket.send("early")).toThrow(named("InvalidStateError"));
    for (const code of [0, 999, 1001, 2999, 5000, NaN]) {
      expect(() => socket.close(code)).toThrow(named("InvalidAccessError"));
    }
    expect(() => socket.close(1000, "é".repeat(62))).toThrow(named("SyntaxError"));
    expect(() => page.socket("no:name")).toThrow(named("SyntaxError"));
    await until(() => socket.readyState === 1);
    for (const wrong of [new ArrayBuffer(1), new Uint8Array(1), new Blob([]), undefined, () => 1, BigInt(1)]) {
      expect(() => socket.send(wrong)).toThrow(TypeError);
    }
    expect(() => socket.send("é".repeat(MAX_SENT_BYTES / 2))).toThrow(RangeError);
    expect(() => page.socket("echo", { data: "x".repeat(MAX_SENT_BYTES) })).toThrow(RangeError);
    expect(socket.bufferedAmount).toBe(0);
    socket.close();
    socket.send("late");
    await until(() => socket.readyState === 3);
    expect(socket.bufferedAmount).toBe(4);
    expect(() => socket.close(999)).toThrow(named("InvalidAccessError"));
    socket.close();
  });

  it("take what is as large as it may be", async () => {
    const told = new Told(page, "echo", { data: "é".repeat(MAX_SENT_BYTES / 2 - 1) });
    const second = new Told(page, "echo", { data: "x".repeat(MAX_SENT_BYTES - 2) });
    await until(() => told.all.length + second.all.length === 2);
    for (const text of ["é".repeat(MAX_SENT_BYTES / 2 - 1), '"'.repeat(MAX_SENT_BYTES / 2 - 1)]) {
      told.all.length = 0;
      told.socket.send(text);
      await told.is(text);
    }
    expect(page.network.opened).toBe(1);
  });

  it("keep the order of what is sent at once", async () => {
    const told = new Told(page, "echo");
    await told.is("open");
    for (let number = 0; number < 500; number += 1) told.socket.send(number);
    await until(() => told.all.length === 501);
    expect(told.all.slice(1)).toEqual([...Array(500).keys()].map(String));
    await until(() => told.socket.bufferedAmount === 0);
  });

  it("are two on a page, with data of their own", async () => {
    const [one, two] = [new Told(page, "story", { data: { a: 1 } }), new Told(page, "story")];
    await Promise.all([one.is("open"), two.is("open")]);
    one.socket.send("count");
    await one.is("open", "1");
    one.socket.close();
    await one.is("open", "1", [1005, "", true]);
    two.socket.send("count");
    two.socket.send("count");
    await two.is("open", "1", "2");
    expect(page.network.opened).toBe(1);
  });

  it("are closed by their handler", async () => {
    const [one, two] = [new Told(page, "story"), new Told(page, "story")];
    await Promise.all([one.is("open"), two.is("open")]);
    one.socket.send("count");
    one.socket.send("close");
    await one.is("open", "1", [4001, "as you wish", true]);
    two.socket.send("fail");
    await two.is("open", [4500, "internal error", true]);
    expect(page.client?.subscriptions()).toEqual({});
    expect(page.errors).toEqual([]);
  });

  it("are refused, and not tried again", async () => {
    const unknown = new Told(page, "nobody");
    await unknown.is("error", [4404, "there is no socket 'nobody'", false]);
    await new Told(page).is("error", [4404, "there is no socket 'default'", false]);
    expect(page.errors.map(({ message }) => message)).toEqual([
      `${unknown.socket.url}: there is no socket 'nobody' (4404)`,
      expect.stringContaining("'default' (4404)"),
    ]);
    world.django.allowsVisitors = true;
    world.django.users.set("visitor", { sub: "", channels: [] });
    const visitor = world.page();
    await new Told(visitor, "members").is("error", [4403, "permission denied", false]);
    await new Told(visitor, "echo").is("open");
  });

  it("are closed where nobody is logged in", async () => {
    await new Told(world.page(), "echo").is("error", [4401, "unauthorized", false]);
  });

  it("come back after a lost connection, to another handler object", async () => {
    const told = new Told(page, "story");
    await told.is("open");
    for (let count = 1; count <= 3; count += 1) {
      told.all.length = 0;
      told.socket.send("count");
      told.socket.send("count");
      await told.is("1", "2");
      page.network.cut();
      await until(() => told.socket.readyState === 0);
      expect(() => told.socket.send("x")).toThrow(named("InvalidStateError"));
      await told.is("1", "2", ["reconnecting", 1006, false], "open");
    }
    expect(page.network.opened).toBe(4);
  });

  it("leave what was not sent yet behind, as another handler object knows nothing of it", async () => {
    const told = new Told(page, "story");
    await told.is("open");
    for (let number = 0; number < 2000; number += 1) told.socket.send("x".repeat(1000));
    expect(told.socket.bufferedAmount).toBe(2_000_000);
    await until(() => told.socket.bufferedAmount < 1_500_000);
    page.network.cut();
    await told.is("open", ["reconnecting", 1006, false], "open");
    expect(told.socket.bufferedAmount).toBe(0);
    told.socket.send("count");
    await told.is("open", ["reconnecting", 1006, false], "open", "1");
    await until(() => told.socket.bufferedAmount === 0);
  });

  it("come back with another client, and not after the end", async () => {
    const { sub } = inject("socketUser")!;
    const told = new Told(page, "echo");
    await told.is("open");
    const first = page.client;
    await world.end(sub, REVOKED_CODE, REVOKED_REASON);
    await told.is("open", ["reconnecting", 1006, false], "open");
    expect(page.client).not.toBe(first);
    page.disconnect();
    await told.is("open", ["reconnecting", 1006, false], "open", [1000, "disconnect called", true]);
    await new Told(page, "echo").is([1000, "disconnect called", true]);
    await page.connect();
    const again = new Told(page, "echo");
    await again.is("open");
    await world.end(sub, 4999, "no more");
    await again.is("open", "error", [4999, "no more", false]);
    expect([told.all.length, page.state]).toEqual([4, "disconnected"]);
  });

  it("end as their user logs out", async () => {
    const told = new Told(page, "echo");
    await told.is("open");
    await page.logout();
    await told.is("open", [1000, "logout called", true]);
  });

  it("do not come back where they shall not", async () => {
    const told = new Told(page, "echo", { reconnect: false });
    await told.is("open");
    page.network.cut();
    await told.is("open", "error", [1006, "transport closed", false]);
    await until(() => page.state === "connected");
    page.network.goDown();
    await until(() => page.state === "connecting");
    const never = new Told(page, "echo", { reconnect: false });
    await never.is("error", [1006, expect.any(String), false]);
    expect(told.all).toHaveLength(3);
  });

  it("wait for a first connection", async () => {
    page.network.goDown();
    const told = new Told(page, "echo");
    const closed = new Told(page, "echo");
    closed.socket.close();
    expect(closed.socket.readyState).toBe(2);
    await closed.is("error", [1006, "closed before it was open", false]);
    expect(told.all).toEqual([]);
    page.network.comeBack();
    await told.is("open");
    expect(closed.all).toHaveLength(2);
  });

  it("are closed as they lose the connection while closing", async () => {
    const told = new Told(page, "echo");
    await told.is("open");
    told.socket.send("x".repeat(60_000));
    told.socket.close();
    page.network.goDown();
    await until(() => told.socket.readyState === 3);
    expect(told.all[0]).toBe("open");
    expect(told.all.length).toBeLessThanOrEqual(3);
  });
});

describe("a queue", () => {
  it("lets no message be far ahead of one that has no answer", async () => {
    const answers = new Map<number, () => void>();
    const queue = new SendQueue((envelope) => {
      const { n } = envelope as { n: number };
      return new Promise<void>((resolve, reject) => answers.set(n, n % 2 ? resolve : reject));
    });
    const answer = async (...numbers: number[]): Promise<number> => {
      for (const number of numbers) answers.get(number)?.();
      await new Promise((resolve) => setTimeout(resolve));
      return answers.size;
    };
    for (let number = 0; number < 2000; number += 1) queue.put({ m: number }, 2);
    expect(await answer()).toBe(500);
    expect(await answer(...[...Array(500).keys()].slice(1))).toBe(500);
    expect(await answer(0)).toBe(1000);
    expect(await answer(500, 501, 503)).toBe(1002);
    expect(queue.bytes).toBe(4000 - 2 * 503);
    queue.stop();
    expect(await answer(502)).toBe(1002);
  });
});

describe("the code of a closed socket", () => {
  it.each([
    [400, 4400],
    [403, 4403],
    [404, 4404],
    [500, 4500],
    [503, 1013],
    [102, 4404],
    [106, 4403],
  ])("that is refused with %i is %i", (code, expected) => {
    expect(ofRefusal(code, "why")).toEqual({ code: expected, reason: "why" });
  });

  it.each([
    [0, 1000],
    [1, 4401],
    [3, 1006],
    [3500, 3500],
    [4501, 4501],
  ])("whose connection ends with %i is %i", (code, expected) => {
    expect(ofDisconnect(code, "why")).toEqual({ code: expected, reason: "why" });
  });
});
