import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { REVOKED_CODE, REVOKED_REASON } from "../../src/core/protocol";
import { Session } from "../../src/core/siteSession";
import { CentrifugeSubscribe } from "../../src/legacy/centrifugeSubscribe";
import { Network, servers, until, World } from "../support/live";

describe.each(servers)("centrifuge.subscribe, on $name", ({ port }) => {
  let world: World;
  beforeEach(async () => {
    world = await World.open(port);
  });

  function session(as: string, { Socket } = new Network()): Session {
    const fetch = world.django.browser(as);
    const made = new Session({ backendUrl: world.django.url, fetch, websocket: Socket, minReconnectDelay: 10 });
    onTestFinished(() => made.disconnect());
    return made;
  }

  it("tells of all that happens, also over another client, until the end", async () => {
    const channel = world.channel("$seen:");
    const ann = world.django.addUser("ann", [channel]);
    world.django.addUser("ben", [channel]);
    const mine = session("ann");
    const legacy = new CentrifugeSubscribe(mine, null);
    const told: string[] = [];
    const note = (name: string) => (): void => void told.push(name);
    const first = mine.open();
    const subscription = legacy.client(first).subscribe(channel, {
      ...Object.fromEntries(["join", "leave", "subscribe", "unsubscribe"].map((name) => [name, note(name)])),
      message: (dataset) => told.push((dataset as { data: { message: string } }).data.message),
    });
    await mine.connect();
    await until(() => told.includes("subscribe"));
    const other = session("ben");
    await other.subscribe(channel);
    await until(() => told.includes("join"));
    other.disconnect();
    await until(() => told.includes("leave"));
    await world.end(ann.sub, REVOKED_CODE, REVOKED_REASON);
    await until(() => told.filter((name) => name === "subscribe").length === 2);
    expect(mine.client).not.toBe(first);
    await world.publish(channel, { message: "over another client" });
    await until(() => told.includes("over another client"));
    subscription.unsubscribe();
    expect(told.at(-1)).toBe("unsubscribe");
    expect(legacy.has(channel)).toBe(false);
    expect(mine.channels.all).toEqual([]);
  });

  it("tells of a refusal, and a callback that throws stops nobody", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    onTestFinished(() => printed.mockRestore());
    const [channel, secret] = [world.channel(), world.channel()];
    world.django.addUser("ann", [channel]);
    const mine = session("ann");
    const client = new CentrifugeSubscribe(mine, null).client(mine.open());
    const told: unknown[] = [];
    client.subscribe(secret, { error: (context) => told.push(context) });
    client.subscribe(channel, () => {
      throw new Error("on purpose");
    });
    client.subscribe(channel).on("message", () => told.push("message"));
    await mine.connect();
    await until(() => told.length === 1 && mine.channels.all.every((each) => each.isJoined));
    await world.publish(channel, { message: "hi" });
    await until(() => told.length === 2);
    expect(told).toEqual([{ channel: secret, error: `${secret}: not allowed` }, "message"]);
    expect(printed.mock.calls.map(([text]) => text as string)).toContain(`instant: the "message" callback of ${channel} threw`);
  });

  it("gives publications of subscribers to nobody", async () => {
    const channel = world.channel("$open:");
    world.django.addUser("ann", [channel]);
    world.django.addUser("ben", [channel]);
    const mine = session("ann");
    const told: unknown[] = [];
    new CentrifugeSubscribe(mine, null).client(mine.open()).subscribe(channel, (dataset) => told.push(dataset));
    await mine.connect();
    await until(() => mine.channels.all.every((each) => each.isJoined));
    const other = world.page("ben");
    await world.joined(other, 1);
    await world.whisper(other, channel, { site: "Test", uid: "", timestamp: "", message: "forged" });
    await world.publish(channel, { message: "of Django" });
    await until(() => told.length === 1);
    expect(told).toMatchObject([{ channel, data: { message: "of Django" } }]);
  });

  it("names the client to the site's auth view, after a lost connection the new one", async () => {
    const channel = world.channel();
    const ann = world.django.addUser("ann", []);
    const asked: unknown[] = [];
    vi.stubGlobal("fetch", (_url: string, { body }: { body: string }) => {
      asked.push((JSON.parse(body) as { client: string }).client);
      return Promise.resolve(new Response(JSON.stringify({ [channel]: { sign: world.django.channelToken(ann, channel) } })));
    });
    onTestFinished(() => void vi.unstubAllGlobals());
    const network = new Network();
    const mine = session("ann", network);
    const clients: string[] = [];
    mine.events.connected.add(({ client }) => clients.push(client));
    new CentrifugeSubscribe(mine, "/auth/").client(mine.open()).subscribe(channel);
    await mine.connect();
    for (let count = 1; count <= 5; count += 1) {
      await until(() => asked.length === count && mine.channels.all.every((each) => each.isJoined));
      network.cut();
      await until(() => clients.length === count + 1);
    }
    expect(new Set(clients).size).toBe(6);
    expect(asked.slice(0, 5)).toEqual(clients.slice(0, 5));
  });
});
