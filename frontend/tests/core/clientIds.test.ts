import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { MAX_SENDER_IDS, SENDER_HEADER } from "../../src/core/protocol";
import { addHeaderToRequests } from "../../src/core/senderHeader";
import { ClientIds } from "../../src/core/clientIds";
import { servers, texts, until, World } from "../support/live";

describe("the ids of a page's clients", () => {
  it("are the last ids, newest last", () => {
    const clientIds = new ClientIds();
    expect(clientIds.headers).toEqual({});
    for (let index = 0; index < MAX_SENDER_IDS + 2; index += 1) clientIds.add(`id-${index}`);
    clientIds.add("id-3");
    expect(clientIds.value.split(",")).toHaveLength(MAX_SENDER_IDS);
    expect(clientIds.value).toMatch(/^id-2,id-4,.*,id-21,id-3$/);
    expect(clientIds.headers).toEqual({ [SENDER_HEADER]: clientIds.value });
  });

  it.each([
    [{ user: "7", client: "a,mine,b" }, "7", true],
    [{ user: "7", client: "a,old" }, "7", true],
    [{ user: "", client: "mine" }, "", true],
    [{ client: "mine" }, "7", true],
    [{ user: "8", client: "mine" }, "7", false],
    [{ user: "7", client: "theirs" }, "7", false],
    [{ user: "7", client: "min" }, "7", false],
    [{ user: "", client: "mine" }, "7", false],
    [{ user: "7" }, "7", false],
    [{ user: "7", client: "mine" }, null, false],
    [undefined, "7", false],
  ])("of tags %j, for the user %j: %s", (tags, user, expected) => {
    const clientIds = new ClientIds();
    clientIds.add("old");
    clientIds.add("mine");
    expect(clientIds.hasSent(tags, user)).toBe(expected);
  });
});

describe("requests", () => {
  it("contain the ids if their origin is listed", async () => {
    const asked: [string, string | null][] = [];
    vi.stubGlobal("fetch", (input: RequestInfo | URL, init?: RequestInit) => {
      asked.push([input instanceof Request ? input.url : String(input), new Headers(init?.headers).get(SENDER_HEADER)]);
      return Promise.resolve(new Response());
    });
    onTestFinished(() => void vi.unstubAllGlobals());
    const clientIds = new ClientIds();
    addHeaderToRequests(clientIds, ["https://example.org", "https://api.example.org/v1/"]);
    await fetch("https://example.org/before");
    clientIds.add("one");
    clientIds.add("two");
    await fetch("https://example.org/a", { headers: [["X-Other", "1"]] });
    await fetch(new URL("https://api.example.org/b"));
    await fetch(new Request("https://example.org/c", { headers: { "X-Other": "1" } }));
    await fetch("https://example.org/d", { headers: { [SENDER_HEADER]: "own" } });
    for (const url of ["https://example.org:8000/", "http://example.org/", "https://evil.org/", "blob:https://example.org/1"]) {
      await fetch(url);
    }
    await fetch("no address");
    expect(asked.map(([, value]) => value)).toEqual([null, "one,two", "one,two", "one,two", "own", null, null, null, null, null]);
    expect(() => addHeaderToRequests(clientIds, ["example.org"])).toThrow("which is not an origin");
  });
});

describe.each(servers)("excluding the sender, on $name", ({ port }) => {
  let world: World;
  beforeEach(async () => {
    world = await World.open(port);
  });

  it("a page ignores publications with its tags, after a reconnect as well", async () => {
    const channel = world.channel();
    const ann = world.django.addUser("ann", [channel]);
    const ben = world.django.addUser("ben", [channel]);
    const [mine, tab, other] = [world.page("ann"), world.page("ann"), world.page("ben")];
    for (const page of [mine, tab, other]) await world.joined(page, 1);
    const first = mine.headers()[SENDER_HEADER] ?? "";
    const publish = (message: string, user: string, client: string): Promise<unknown> =>
      world.api("publish", { channel, data: { site: "S", uid: message, message }, tags: { user, client } });
    await publish("of ann", ann.sub, first);
    await publish("forged", ben.sub, first);
    mine.network.cut();
    await until(() => (mine.headers()[SENDER_HEADER] ?? "").split(",").length === 2);
    await publish("asked before, sent after", ann.sub, first);
    await world.publish(channel, { message: "again", uid: "of ann" });
    await world.publish(channel, { message: "for all" });
    await until(() => [mine, tab, other].every((page) => texts(page).includes("for all")));
    expect(texts(mine)).toEqual(["forged", "for all"]);
    const all = ["of ann", "forged", "asked before, sent after", "for all"];
    expect(texts(tab)).toEqual(all);
    expect(texts(other)).toEqual(all);
  });
});
