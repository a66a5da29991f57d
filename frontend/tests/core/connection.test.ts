import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import {
  ConfigurationError,
  ConnectionClosed,
  ConnectionError,
  HandlerError,
  RequestFailed,
  type State,
  UnauthorizedError,
  useInstant,
} from "../../src/index";
import { REVOKED_CODE, REVOKED_REASON } from "../../src/core/protocol";
import { limitedServers, servers, texts, until, World } from "../support/live";

describe.each(servers)("connections, on $name", ({ port }) => {
  let world: World;
  beforeEach(async () => {
    world = await World.open(port);
  });

  it("connect once, even if connect() is called repeatedly", async () => {
    const ann = world.django.addUser("ann", [world.channel()]);
    const page = world.page("ann");
    const states: State[] = [];
    page.onState((state) => states.push(state));
    let connected = 0;
    page.onConnect(() => (connected += 1));
    expect([page.state, page.user, page.client]).toEqual(["disconnected", null, null]);
    await Promise.all([page.connect(), page.connect()]);
    await page.connect();
    expect([page.state, page.user, connected, page.network.opened]).toEqual(["connected", ann.sub, 1, 1]);
    expect(states).toEqual(["connecting", "connected"]);
    expect(world.django.count()).toBe(1);
  });

  it("refuse who is not logged in", async () => {
    const page = world.page();
    await expect(page.connect()).rejects.toBeInstanceOf(UnauthorizedError);
    expect(page.state).toBe("disconnected");
    expect(page.ends).toEqual([{ code: 1, reason: "unauthorized" }]);
    expect(world.django.count()).toBe(1);
  });

  it("accept visitors if Django does", async () => {
    const channel = world.channel("");
    world.django.allowsVisitors = true;
    world.django.users.set("visitor", { sub: "", channels: [channel] });
    const page = world.page();
    await world.joined(page, 1);
    expect(page.user).toBe("");
    await world.publish(channel, { message: "welcome" });
    await until(() => texts(page).length === 1);
  });

  it("log in, connect, log out, and log in as another user", async () => {
    const [mine, theirs] = [world.channel(), world.channel()];
    world.django.addUser("ann", [mine]);
    const ben = world.django.addUser("ben", [theirs]);
    const page = world.page();
    await expect(page.login("ann", "wrong")).rejects.toMatchObject({ status: 403, code: "wrong_credentials" });
    await page.login("ann", "secret");
    expect(page.channels).toEqual([{ name: mine, level: "users" }]);
    await world.joined(page, 1);
    expect(world.django.count()).toBe(0);
    await page.logout();
    expect([page.state, page.user, page.channels]).toEqual(["disconnected", null, []]);
    expect(page.ends).toEqual([{ code: 0, reason: "logout called" }]);
    expect(world.django.asked.at(-1)).toMatchObject({ path: "logout/", csrf: "the-csrf-token" });
    await expect(page.connect()).rejects.toBeInstanceOf(UnauthorizedError);
    await page.logout();
    await page.login("ben", "secret");
    await world.joined(page, 1);
    expect([page.user, page.channels]).toEqual([ben.sub, [{ name: theirs, level: "users" }]]);
  });

  it("are replaced when another user logs in", async () => {
    const [shared, mine, theirs] = [world.channel(), world.channel(), world.channel()];
    world.django.addUser("ann", [shared, mine]);
    const ben = world.django.addUser("ben", [shared, theirs]);
    const page = world.page("ann");
    const explicit = page.subscribe(shared);
    await world.joined(page, 2);
    await explicit;
    const before = page.client;
    const joined: string[] = [];
    page.onSubscribe(({ channel }) => joined.push(channel));
    await page.login("ben", "secret");
    expect(page.user).toBe(ben.sub);
    await until(() => joined.length === 2);
    expect(joined.sort()).toEqual([shared, theirs].sort());
    expect(page.client).not.toBe(before);
    expect(page.channels.map(({ name }) => name)).toEqual([shared, theirs]);
    await world.publish(mine, { message: "for ann" });
    await world.publish(theirs, { message: "for ben" });
    await until(() => texts(page).length === 1);
    expect(texts(page)).toEqual(["for ben"]);
    expect([page.ends, page.errors]).toEqual([[], []]);
  });

  it("join channels that the same user may join after another login", async () => {
    const [old, added] = [world.channel(), world.channel()];
    const ann = world.django.addUser("ann", [old]);
    const page = world.page("ann");
    await world.joined(page, 1);
    const before = page.client;
    ann.channels = [old, added];
    const joined = new Promise((resolve) => page.onSubscribe(resolve));
    await page.login("ann", "secret");
    expect(await joined).toMatchObject({ channel: added });
    expect(page.client).toBe(before);
  });

  it("reconnect after 'access revoked' if Django still returns tokens, and recover all messages", async () => {
    const channel = world.channel();
    const ann = world.django.addUser("ann", [channel]);
    const page = world.page("ann");
    await world.joined(page, 1);
    await world.publish(channel, { message: "before" });
    await until(() => texts(page).length === 1);
    for (const round of [1, 2, 3, 4, 5]) {
      const joined = new Promise((resolve) => page.onSubscribe(resolve));
      await world.end(ann.sub, REVOKED_CODE, REVOKED_REASON);
      await world.publish(channel, { message: `meanwhile ${round}` });
      await joined;
      expect(world.django.count()).toBe(1 + round);
    }
    await world.publish(channel, { message: "after" });
    await until(() => texts(page).includes("after"));
    expect(texts(page)).toEqual(["before", ...[1, 2, 3, 4, 5].map((round) => `meanwhile ${round}`), "after"]);
    expect([page.ends, page.errors]).toEqual([[], []]);
  });

  it("do not reconnect after 'access revoked' if Django returns no tokens", async () => {
    const ann = world.django.addUser("ann", [world.channel()]);
    const page = world.page("ann");
    await world.joined(page, 1);
    world.django.endSessions();
    await world.end(ann.sub, REVOKED_CODE, REVOKED_REASON);
    await until(() => page.ends.length === 1);
    expect(page.ends).toEqual([{ code: REVOKED_CODE, reason: REVOKED_REASON }]);
    expect([page.state, page.client, page.user]).toEqual(["disconnected", null, null]);
    expect(world.django.count()).toBe(2);
  });

  it("request a token once more after an invalid one, and then stop", async () => {
    world.django.addUser("ann", [world.channel()]);
    world.django.key = "another key, of which the server knows nothing";
    const page = world.page("ann");
    await expect(page.connect()).rejects.toEqual(new ConnectionClosed(3500, "invalid token"));
    expect(page.ends).toEqual([{ code: 3500, reason: "invalid token" }]);
    expect(world.django.count()).toBe(2);
  });

  it("never loop over a channel with an invalid token", async () => {
    const ann = world.django.addUser("ann", [world.channel(), world.channel()]);
    const bad = ann.channels[0] ?? "";
    const stranger = world.django.addUser("ben", []);
    const original = world.django.channelToken.bind(world.django);
    world.django.channelToken = (user, name) => original(name === bad ? stranger : user, name);
    const page = world.page("ann");
    const ended = new Promise((resolve) => page.onDisconnect(resolve));
    await page.connect().catch(() => undefined);
    expect(await ended).toEqual({ code: 3500, reason: "invalid token" });
    expect(world.django.count()).toBe(2);
  });

  it("use a token that Django rendered into the page, and renew it if it is refused", async () => {
    const ann = world.django.addUser("ann", [world.channel()]);
    const fresh = world.page("ann", { credentials: world.django.credentials(ann) });
    expect([fresh.user, fresh.channels.length]).toEqual([ann.sub, 1]);
    await world.joined(fresh, 1);
    expect(world.django.count()).toBe(0);
    world.django.key = "another key, of which the server knows nothing";
    const stale = world.page("ann", { credentials: world.django.credentials(ann) });
    world.django.key = (await import("../support/servers")).HMAC_KEY;
    await world.joined(stale, 1);
    expect(world.django.count()).toBe(1);
    expect(() => useInstant({ credentials: { ws_token: "x" } })).toThrow(ConfigurationError);
  });

  it("retry while Django fails", async () => {
    world.django.addUser("ann", [world.channel()]);
    world.django.failures.push(500, 502, 503);
    const page = world.page("ann");
    await world.joined(page, 1);
    expect(page.errors.map((error) => error instanceof RequestFailed && error.status)).toEqual([500, 502, 503]);
    expect(world.django.count()).toBe(4);
  });

  it("do not retry if Django answers that the address is wrong", async () => {
    const page = world.page("ann", { prefix: "elsewhere" });
    await expect(page.connect()).rejects.toMatchObject({ name: "RequestFailed", status: 404 });
    expect(page.state).toBe("disconnected");
  });

  it("are closed for good if the user was logged out in another window", async () => {
    world.django.addUser("ann", [world.channel()]);
    world.django.connectionTtl = 2;
    const page = world.page("ann");
    await world.joined(page, 1);
    world.django.endSessions();
    await until(() => page.ends.length === 1);
    expect(page.ends).toEqual([{ code: 1, reason: "unauthorized" }]);
    expect(page.errors).toEqual([expect.any(UnauthorizedError)]);
  });

  it("are replaced by those of the user who logged in in another window", async () => {
    const [mine, theirs] = [world.channel(), world.channel()];
    world.django.addUser("ann", [mine]);
    const ben = world.django.addUser("ben", [theirs]);
    world.django.connectionTtl = 2;
    const page = world.page("ann");
    await world.joined(page, 1);
    world.django.takeOver("ben");
    const joined = new Promise((resolve) => page.onSubscribe(resolve));
    expect(await joined).toMatchObject({ channel: theirs });
    expect(page.user).toBe(ben.sub);
    expect(page.channels.map(({ name }) => name)).toEqual([theirs]);
    expect(page.errors).toEqual([]);
  });

  it("report once that the server cannot be reached, and reconnect", async () => {
    world.django.addUser("ann", [world.channel()]);
    const page = world.page("ann");
    page.network.goDown();
    const connected = page.connect();
    await until(() => page.network.opened >= 4);
    page.network.comeBack();
    await connected;
    expect(page.errors).toEqual([expect.any(ConnectionError)]);
  });

  it("recover what was missed between disconnect() and connect()", async () => {
    const channel = world.channel();
    world.django.addUser("ann", [channel]);
    const page = world.page("ann");
    await world.joined(page, 1);
    page.disconnect();
    page.disconnect();
    expect(page.ends).toEqual([{ code: 0, reason: "disconnect called" }]);
    await world.publish(channel, { message: "missed" });
    await page.connect();
    await until(() => texts(page).length === 1);
    expect(world.django.count()).toBe(1);
  });

  it("reject pending calls when they are closed", async () => {
    world.django.addUser("ann", [world.channel()]);
    const page = world.page("ann");
    const [connected, joined] = [page.connect(), page.subscribe("$other")];
    page.disconnect();
    await expect(connected).rejects.toBeInstanceOf(ConnectionClosed);
    await expect(joined).rejects.toBeInstanceOf(ConnectionClosed);
  });

  it("report a handler that throws, and continue", async () => {
    const channel = world.channel();
    world.django.addUser("ann", [channel]);
    const page = world.page("ann");
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    page.on(channel, () => {
      throw new Error("on purpose");
    });
    await world.joined(page, 1);
    await world.publishMany(channel, 2);
    await until(() => texts(page).length === 2);
    expect(page.errors).toEqual([expect.any(HandlerError), expect.any(HandlerError)]);
    expect(printed).toHaveBeenCalledTimes(2);
    expect(page.state).toBe("connected");
    printed.mockRestore();
  });

  it("print no token, even when they print everything", async () => {
    const ann = world.django.addUser("ann", [world.channel(), world.channel("$nowhere:")]);
    const methods = ["log", "debug", "info", "warn", "error"] as const;
    const printed = methods.map((method) => vi.spyOn(console, method).mockImplementation(() => undefined));
    const page = useInstant({
      backendUrl: world.django.url,
      fetch: world.django.browser("ann"),
      websocket: world.page().network.Socket,
      minReconnectDelay: 10,
      debug: true,
    });
    world.django.failures.push(500);
    await page.connect();
    const joined = new Promise((resolve) => page.onSubscribe(resolve));
    await world.end(ann.sub, REVOKED_CODE, REVOKED_REASON);
    await joined;
    world.django.endSessions();
    await world.end(ann.sub, REVOKED_CODE, REVOKED_REASON);
    await until(() => page.state === "disconnected");
    const output = JSON.stringify(printed.map((spy) => spy.mock.calls));
    for (const spy of printed) spy.mockRestore();
    expect(output).toContain("requesting tokens from Django");
    expect(output).not.toContain("eyJ");
  });
});

describe.each(limitedServers)("connections of a user who has too many, on $name", ({ port }) => {
  let world: World;
  beforeEach(async () => {
    world = await World.open(port);
  });

  it("report it once, wait, and connect once the limit allows it", async () => {
    const channel = world.channel();
    world.django.addUser("ann", [channel]);
    const [first, second] = [world.page("ann"), world.page("ann", { connectionLimitDelay: 100 })];
    await world.joined(first, 1);
    const states: State[] = [];
    second.onState((state) => states.push(state));
    const connected = second.connect();
    const joined = second.subscribe(channel);
    await until(() => second.network.opened >= 3);
    expect(second.errors).toEqual([expect.any(ConnectionError)]);
    expect(second.errors[0]).toMatchObject({ code: 3504, reason: expect.stringContaining("too many connections") as string });
    expect([second.state, states, second.ends]).toEqual(["connecting", ["connecting"], []]);
    first.disconnect();
    await connected;
    await joined;
    expect(states).toEqual(["connecting", "connected"]);
    await world.publish(channel, { message: "hi" });
    await until(() => texts(second).length === 1);
    expect([second.errors.length, second.ends, world.django.count()]).toEqual([1, [], 2]);
  });

  it("wait for 30 s or more by default", async () => {
    world.django.addUser("ann", [world.channel()]);
    const [first, second] = [world.page("ann"), world.page("ann")];
    await world.joined(first, 1);
    const timeout = vi.spyOn(globalThis, "setTimeout");
    const random = vi.spyOn(Math, "random").mockReturnValue(0.25);
    onTestFinished(() => [timeout, random].forEach((spy) => spy.mockRestore()));
    second.connect().catch(() => undefined);
    await until(() => second.errors.length === 1);
    expect(timeout.mock.calls.map(([, wait]) => wait)).toContain(37_500);
    expect(second.errors[0]?.message).toBe("connection: the user has too many connections; next attempt in 30 s or more (3504)");
  });

  it("end the wait when the page asks to", async () => {
    world.django.addUser("ann", [world.channel()]);
    const [first, second] = [world.page("ann"), world.page("ann", { connectionLimitDelay: 200 })];
    await world.joined(first, 1);
    const connected = second.connect();
    await until(() => second.errors.length === 1);
    const { opened } = second.network;
    void second.connect().catch(() => undefined); // does not shorten the wait
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([second.network.opened, second.state]).toEqual([opened, "connecting"]);
    second.disconnect();
    await expect(connected).rejects.toBeInstanceOf(ConnectionClosed);
    expect([second.state, second.ends]).toEqual(["disconnected", [{ code: 0, reason: "disconnect called" }]]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(second.network.opened).toBe(opened);
  });

  it("do not wait if another user logs in", async () => {
    world.django.addUser("ann", [world.channel()]);
    const ben = world.django.addUser("ben", [world.channel()]);
    const [first, second] = [world.page("ann"), world.page("ann")];
    await world.joined(first, 1);
    const connected = second.connect();
    await until(() => second.errors.length === 1);
    await second.login("ben", "secret");
    await connected;
    expect([second.user, second.state]).toEqual([ben.sub, "connected"]);
    // The report is for one series of refusals: the next one gets its own.
    second.disconnect();
    await second.login("ann", "secret");
    void second.connect().catch(() => undefined);
    await until(() => second.errors.length === 2);
  });

  it("keep calls waiting", async () => {
    world.django.addUser("ann", [world.channel()]);
    const [first, second] = [world.page("ann"), world.page("ann", { connectionLimitDelay: 100 })];
    await world.joined(first, 1);
    void second.connect();
    await until(() => second.errors.length === 1);
    let answered = false;
    const call = second.call("page.nothing").catch(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answered).toBe(false);
    first.disconnect();
    await call;
    expect(answered).toBe(true); // these servers know no calls
  });

  it("wait if an open connection is closed with this code", async () => {
    const channel = world.channel();
    const ann = world.django.addUser("ann", [channel]);
    const page = world.page("ann", { connectionLimitDelay: 100 });
    const states: State[] = [];
    await world.joined(page, 1);
    page.onState((state) => states.push(state));
    await world.end(ann.sub, 3504, "connection limit");
    await world.publish(channel, { message: "missed" });
    await until(() => texts(page).length === 1);
    expect([states, page.ends, page.errors.length]).toEqual([["connecting", "connected"], [], 1]);
  });
});

describe("connections without a server", () => {
  it("need a WebSocket", async () => {
    vi.stubGlobal("WebSocket", undefined);
    await expect(useInstant({ backendUrl: "http://127.0.0.1:1" }).connect()).rejects.toBeInstanceOf(ConfigurationError);
    vi.unstubAllGlobals();
  });
});
