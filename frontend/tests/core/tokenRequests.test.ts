import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { PATIENCE, type Page, servers, texts, until, World } from "../support/live";

const MANY = 200;

/** Set the clock of this process, which the page reads, forward until the end of the test. */
function later(seconds: number): void {
  const now = Date.now.bind(Date);
  const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + seconds * 1000);
  onTestFinished(() => clock.mockRestore());
}

describe.each(servers)("tokens, on $name", ({ port }) => {
  let world: World;
  let channels: string[];
  beforeEach(async () => {
    world = await World.open(port);
    channels = Array.from({ length: MANY }, () => world.channel());
  });

  async function comeBack(page: Page): Promise<string[]> {
    const joins: boolean[] = [];
    page.onSubscribe(({ recovered }) => joins.push(recovered));
    const first = channels[0] ?? "";
    const missed = await world.publishMany(first, 5);
    page.network.comeBack();
    await until(() => joins.length >= MANY && texts(page).length >= missed.length);
    expect(joins).toEqual(Array.from({ length: MANY }, () => true));
    expect(texts(page)).toEqual(missed);
    return missed;
  }

  it("of 200 channels cost no request to come back while they are good", async () => {
    world.django.addUser("ann", channels);
    const page = world.page("ann");
    await world.joined(page, MANY);
    page.network.goDown();
    await until(() => page.state === "connecting");
    await comeBack(page);
    expect(world.django.count()).toBe(1);
    expect(page.errors.filter(({ name }) => name !== "ConnectionError")).toEqual([]);
  });

  it.each([
    ["channels' tokens", 301],
    ["tokens of connection and channels", 1801],
  ])("of 200 channels cost one request to come back with expired %s", async (_name, seconds) => {
    world.django.addUser("ann", channels);
    Object.assign(world.django, { connectionTtl: 1800, channelTtl: 300 });
    const page = world.page("ann");
    await world.joined(page, MANY);
    expect(world.django.count()).toBe(1);
    page.network.goDown();
    await until(() => page.state === "connecting");
    later(seconds);
    await comeBack(page);
    expect(world.django.count()).toBe(2);
    expect(page.errors.filter(({ name }) => name !== "ConnectionError")).toEqual([]);
    expect(page.network.expirations).toBe(0);
  });

  it("that ended sooner than this clock thinks are renewed at one request, without an error", async () => {
    const ann = world.django.addUser("ann", channels.slice(0, 20));
    // A page from a cache: its tokens say that they live long, but they are old.
    world.django.clockError = -3600;
    const page = world.page("ann", { credentials: world.django.credentials(ann) });
    world.django.clockError = 0;
    await world.joined(page, 20);
    expect(world.django.count()).toBe(1);
    expect(page.errors).toEqual([]);
  });

  it("of channels that ended sooner than this clock thinks are renewed together, without an error", async () => {
    const ann = world.django.addUser("ann", channels.slice(0, 20));
    world.django.clockError = -3600;
    const old = world.django.credentials(ann);
    world.django.clockError = 0;
    const { ws_token } = world.django.credentials(ann) as { ws_token: string };
    const page = world.page("ann", { credentials: { ...old, ws_token } });
    await world.joined(page, 20);
    expect(world.django.count()).toBeLessThanOrEqual(2);
    expect(page.network.expirations).toBe(20);
    expect(page.errors).toEqual([]);
  });

  it("renew themselves on a living connection", async () => {
    const channel = channels[0] ?? "";
    world.django.addUser("ann", [channel]);
    Object.assign(world.django, { connectionTtl: 3 * PATIENCE, channelTtl: 3 * PATIENCE });
    const page = world.page("ann");
    await world.joined(page, 1);
    await until(() => world.django.count() >= 3);
    await world.publish(channel, { message: "still here" });
    await until(() => texts(page).length === 1);
    expect(page.network.opened).toBe(1);
    expect(page.errors).toEqual([]);
    expect(world.django.asked.slice(1).every(({ body }) => body.channels?.length === 0)).toBe(true);
  });

  it("of channels asked for in one tick come in one request", async () => {
    const ann = world.django.addUser("ann", []);
    const page = world.page("ann");
    await page.connect();
    ann.channels = channels.slice(0, 50);
    const refused = world.channel();
    const answers = await Promise.allSettled([...ann.channels, refused].map((name) => page.subscribe(name)));
    expect(answers.filter(({ status }) => status === "rejected")).toHaveLength(1);
    expect(world.django.count()).toBe(2);
    expect(world.django.asked[1]?.body.channels).toHaveLength(51);
  });

  it("of more channels than Django takes at once come in parts", async () => {
    const ann = world.django.addUser("ann", []);
    const page = world.page("ann");
    await page.connect();
    ann.channels = channels.slice(0, 5);
    const others = Array.from({ length: 1025 }, () => world.channel());
    const answers = await Promise.allSettled([...others, ...ann.channels].map((name) => page.subscribe(name)));
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
    expect(world.django.asked.slice(1).map(({ body }) => body.channels?.length)).toEqual([1024, 6]);
  });

  it("are asked for again, together, when Django fails on the way back", async () => {
    world.django.addUser("ann", channels.slice(0, 20));
    Object.assign(world.django, { connectionTtl: 1800, channelTtl: 300 });
    const page = world.page("ann");
    await world.joined(page, 20);
    later(301);
    world.django.failures.push(500, 500);
    const joins: string[] = [];
    page.onSubscribe(({ channel }) => joins.push(channel));
    page.network.cut();
    await until(() => joins.length === 20);
    expect(world.django.count()).toBe(4);
    expect(page.errors.map(({ name }) => name)).toEqual(["RequestFailed", "RequestFailed"]);
  });

  it("leave no timer behind", async () => {
    const timers = new Set<unknown>();
    const { setTimeout: set, clearTimeout: clear } = globalThis;
    vi.stubGlobal("setTimeout", (run: () => void, delay?: number) => {
      const timer = set(() => {
        timers.delete(timer);
        run();
      }, delay);
      // Sockets and requests that end in their own time have timers too.
      if (!/undici|node_modules.ws|vitest.dist/.test(String(new Error().stack))) timers.add(timer);
      return timer;
    });
    vi.stubGlobal("clearTimeout", (timer: NodeJS.Timeout) => {
      timers.delete(timer);
      clear(timer);
    });
    onTestFinished(() => void vi.unstubAllGlobals());
    world.django.addUser("ann", channels.slice(0, 3));
    world.django.connectionTtl = 60;
    const page = world.page("ann");
    await world.joined(page, 3);
    expect(timers.size).toBeGreaterThan(0);
    const waiting = page.subscribe(world.channel());
    page.disconnect();
    await expect(waiting).rejects.toThrow("disconnect called");
    await new Promise((resolve) => set(resolve, 20));
    expect(timers.size).toBe(0);
    expect(world.django.count()).toBe(1);
  });
});
