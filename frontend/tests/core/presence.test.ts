import { beforeEach, describe, expect, it } from "vitest";
import { InstantError } from "../../src/index";
import { people } from "../../src/core/presence";
import { servers, until, World } from "../support/live";

describe("people", () => {
  it("are listed once by id, except visitors", () => {
    expect(
      people([
        { client: "d", user: "9", connInfo: { s: "5e55", a: "a0" }, chanInfo: undefined },
        { client: "c", user: "", connInfo: undefined, chanInfo: undefined },
        { client: "b", user: "10", connInfo: 1, chanInfo: { name: "ten" } },
        { client: "a", user: "10", connInfo: undefined, chanInfo: undefined },
        { client: "e", user: "", connInfo: undefined, chanInfo: undefined },
      ]),
    ).toEqual([
      { user: "", info: null, clients: 1 },
      { user: "", info: null, clients: 1 },
      { user: "10", info: { name: "ten" }, clients: 2 },
      { user: "9", info: null, clients: 1 },
    ]);
  });
});

describe.each(servers)("presence, on $name", ({ port }) => {
  let world: World;
  beforeEach(async () => {
    world = await World.open(port);
  });

  it("reports the users in a channel, joins and leaves", async () => {
    const channel = world.channel("$seen:");
    const ann = world.django.addUser("ann", [channel]);
    const ben = world.django.addUser("ben", [channel]);
    const [page, other, tab] = [world.page("ann"), world.page("ben"), world.page("ben")];
    const told: unknown[] = [];
    const undos = [page.onJoin(({ user }) => told.push(["join", user])), page.onLeave((event) => told.push(["leave", event]))];
    await world.joined(page, 1);
    await until(() => told.length === 1);
    await world.joined(other, 1);
    await world.joined(tab, 1);
    const found = [
      { user: ann.sub, info: null, clients: 1 },
      { user: ben.sub, info: null, clients: 2 },
    ];
    expect(await page.presence(channel)).toEqual(found);
    const subscription = await page.subscribe(channel);
    expect(await subscription.presence()).toEqual(found);
    expect(subscription.channel).toBe(channel);
    tab.disconnect();
    other.disconnect();
    await until(() => told.length === 5);
    const leave = ["leave", { channel, user: ben.sub, info: null }];
    expect(told).toEqual([["join", ann.sub], ["join", ben.sub], ["join", ben.sub], leave, leave]);
    for (const undo of undos) undo();
    await world.joined(other, 1);
    expect(told).toHaveLength(5);
  });

  it("says which option is missing", async () => {
    const [kept, short, plain] = [world.channel("kept:"), world.channel("$short:"), world.channel()];
    world.django.addUser("ann", [kept, short, plain]);
    const page = world.page("ann");
    await expect(page.presence(kept)).rejects.toThrow("connect before you request");
    await page.connect();
    await Promise.all([kept, short, plain].map((name) => page.subscribe(name)));
    const option = (namespace: string, name: string): string => `INSTANT_NAMESPACES = {"${namespace}": {"${name}": True}}`;
    await expect(page.presence(kept)).rejects.toThrow(option("kept", "allow_presence_for_subscriber"));
    await expect(page.presence(short)).rejects.toThrow(option("short", "presence"));
    await expect(page.presence(plain)).rejects.toThrow(option("", "presence"));
    const away = await page.presence(world.channel("seen:")).catch((error: unknown) => error);
    expect(away).toBeInstanceOf(InstantError);
    expect(String(away)).toContain("before you request its presence");
  });
});
