import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { WebSocket } from "ws";
import { type InstantCompat, Message, useInstant } from "../../src/legacy/version4";
import { servers, until, World } from "../support/live";

describe.each(servers)("the interface of 4.x, on $name", ({ port }) => {
  let world: World;
  let instant: InstantCompat;
  let received: Message[];
  const websocketsUrl = `ws://127.0.0.1:${port}`;

  beforeEach(async () => {
    world = await World.open(port);
    vi.stubGlobal("WebSocket", WebSocket);
    vi.stubGlobal("fetch", world.django.browser());
    received = [];
    instant = useInstant();
    instant.onMessage((message) => received.push(message));
    onTestFinished(() => {
      vi.unstubAllGlobals();
      try {
        instant.getClient().disconnect();
      } catch {
        // never initialized
      }
    });
  });

  async function joined(channels: number): Promise<void> {
    const all = (): string[] => Object.values(instant.getClient().subscriptions()).map(({ state }) => state);
    await until(() => all().length === channels && all().every((state) => state === "subscribed"));
  }

  it("has exactly these members", () => {
    const names = ["init", "connect", "onMessage", "login", "subscribe", "getClient", "onReady", "channels"];
    expect(Object.keys(instant).sort()).toEqual(names.sort());
  });

  it("logs in after a refused init, connects, and passes both kinds of payload to the handler", async () => {
    const channel = world.channel();
    world.django.addUser("ann", [channel]);
    const printed = vi.spyOn(console, "error");
    await expect(instant.init(world.django.url, websocketsUrl)).rejects.toThrow("403");
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
    await instant.login("ann", "secret");
    await instant.init(world.django.url, websocketsUrl);
    expect(await instant.onReady).toBe(true);
    expect([...instant.channels]).toEqual([{ name: channel, level: "users", token: expect.stringMatching(/^eyJ/) as string }]);
    await instant.connect();
    await joined(1);
    const old = { channel, site: "Old", message: "text", data: { n: 1 }, event_class: "info", bucket: "b" };
    await world.api("publish", { channel, data: JSON.stringify(old) });
    await world.api("publish", { channel, data: { site: "New", uid: randomUUID(), timestamp: "", message: "object" } });
    await until(() => received.length === 2);
    expect(received[0]).toBeInstanceOf(Message);
    expect(received[0]).toMatchObject({ channelName: channel, site: "Old", msg: "text", data: { n: 1 }, eventClass: "info", bucket: "b" });
    expect(received[1]).toMatchObject({ channelName: channel, site: "New", msg: "object", data: {}, eventClass: "", bucket: "" });
    expect(received[1]?.date).toBeInstanceOf(Date);
  });

  it("passes publications of subscribers to no handler", async () => {
    const channel = world.channel("$open:");
    world.django.addUser("ann", [channel]);
    world.django.addUser("ben", [channel]);
    vi.stubGlobal("fetch", world.django.browser("ann"));
    await instant.init(world.django.url, websocketsUrl);
    await instant.connect();
    await joined(1);
    const other = world.page("ben");
    await world.joined(other, 1);
    const uid = randomUUID();
    await world.whisper(other, channel, JSON.stringify({ channel, site: "Old", message: "forged" }));
    await world.whisper(other, channel, { site: "New", uid, timestamp: "", message: "forged" });
    await world.api("publish", { channel, data: { site: "New", uid, timestamp: "", message: "of Django" } });
    await until(() => received.length === 1);
    expect(received[0]).toMatchObject({ channelName: channel, msg: "of Django" });
  });

  it("subscribes later on request", async () => {
    const channels = [world.channel(), world.channel()];
    world.django.addUser("ann", channels);
    vi.stubGlobal("fetch", world.django.browser("ann"));
    await instant.init(world.django.url, websocketsUrl);
    await instant.connect(false);
    expect(instant.getClient().state).toBe("connected");
    expect(Object.keys(instant.getClient().subscriptions())).toEqual([]);
    instant.subscribe();
    instant.subscribe();
    await joined(2);
  });

  it("has no doubled channels after a second init, and keeps listening", async () => {
    const channel = world.channel();
    world.django.addUser("ann", [channel]);
    vi.stubGlobal("fetch", world.django.browser("ann"));
    const { channels } = instant;
    await instant.init(world.django.url, websocketsUrl);
    await instant.connect();
    await instant.init(world.django.url, `${websocketsUrl}/`);
    expect([...channels].map(({ name }) => name)).toEqual([channel]);
    await instant.connect();
    await instant.connect();
    await joined(1);
    await world.publish(channel, { message: "once" });
    await until(() => received.length === 1);
  });

  it("has a client before it connects, for handlers of its own", async () => {
    world.django.addUser("ann", []);
    vi.stubGlobal("fetch", world.django.browser("ann"));
    await instant.init(world.django.url, websocketsUrl);
    const connected = new Promise((resolve) => instant.getClient().on("connected", resolve));
    await instant.connect();
    await connected;
  });

  it("renews its tokens", async () => {
    const channel = world.channel();
    world.django.addUser("ann", [channel]);
    world.django.connectionTtl = 1;
    vi.stubGlobal("fetch", world.django.browser("ann"));
    await instant.init(world.django.url, websocketsUrl);
    await instant.connect();
    await until(() => world.django.count() >= 3 && instant.getClient().state === "connected");
  });

  it("says what is wrong before init", async () => {
    await expect(instant.login("ann", "secret")).rejects.toThrow("there is no session: call init(backendUrl, websocketsUrl) first");
    await expect(instant.connect()).rejects.toThrow("call init");
    expect(() => instant.getClient()).toThrow("call init");
    expect(world.django.asked).toEqual([]);
  });

  it("prints no token", async () => {
    const channel = world.channel();
    world.django.addUser("ann", [channel]);
    const methods = ["log", "debug", "info", "warn", "error"] as const;
    const printed = methods.map((method) => vi.spyOn(console, method).mockImplementation(() => undefined));
    vi.stubGlobal("fetch", world.django.browser("ann"));
    const talking = useInstant();
    await talking.init(world.django.url, websocketsUrl, true);
    await talking.connect();
    await until(() => printed.some((spy) => JSON.stringify(spy.mock.calls).includes("joined")));
    await world.publish(channel, { message: "to the console" });
    await until(() => printed.some((spy) => JSON.stringify(spy.mock.calls).includes("to the console")));
    const output = JSON.stringify(printed.map((spy) => spy.mock.calls));
    talking.getClient().disconnect();
    for (const spy of printed) spy.mockRestore();
    expect(output).not.toContain("eyJ");
  });
});

describe("a message of 4.x", () => {
  it("fills in what is missing", () => {
    const message = new Message({ channel: "c", site: "s" });
    expect(message).toMatchObject({ channelName: "c", site: "s", msg: "", data: {}, eventClass: "", bucket: "" });
    expect(message.date).toBeInstanceOf(Date);
  });
});
