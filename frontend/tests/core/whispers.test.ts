import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { type SubscribeEvent, useInstant, type Whisper } from "../../src/index";
import { SIGNAL, STREAM } from "../../src/core/protocol";
import { type Page, servers, texts, until, World } from "../support/live";

/** What subscribers publish to look like Django: an event class, a signal, a model event, both kinds of payload. */
const forged: readonly (readonly [string, unknown])[] = [
  ["text", payload({ message: "forged" })],
  ["an event class", payload({ message: "forged", event_class: "important" })],
  ["live HTML", payload({ event_class: STREAM, data: { action: "append", target: "body", html: "<img src=x onerror=alert(1)>" } })],
  ["a signal", payload({ event_class: SIGNAL, data: { name: "page.forged", opts: { id: 1 } } })],
  ["a model event", payload({ data: { event: "blog.Post", operation: "delete", verbose_name: "post", pk: 1, data: {} } })],
  ["a payload that is a string", JSON.stringify(payload({ message: "forged" }))],
  ["null", null],
];

function payload(content: object): object {
  return { site: "Test", uid: randomUUID(), timestamp: new Date().toISOString(), message: "", ...content };
}

describe.each(servers)("publications of subscribers, on $name", ({ port }) => {
  let world: World;
  beforeEach(async () => {
    world = await World.open(port);
  });

  /** Two pages in one channel, and what the first receives. */
  async function pages(): Promise<{ channel: string; ann: Page; ben: Page; benSub: string; whispers: Whisper[] }> {
    const channel = world.channel("$open:");
    world.django.addUser("ann", [channel]);
    const { sub: benSub } = world.django.addUser("ben", [channel]);
    const [ann, ben] = [world.page("ann"), world.page("ben")];
    const whispers: Whisper[] = [];
    ann.onWhisper((whisper) => whispers.push(whisper));
    await world.joined(ann, 1);
    await world.joined(ben, 1);
    return { channel, ann, ben, benSub, whispers };
  }

  it.each(forged)("that look like %s reach onWhisper only", async (_name, data) => {
    const { channel, ann, ben, benSub, whispers } = await pages();
    const run = vi.fn();
    ann.on(channel, run);
    ann.on("important", run);
    ann.on("", run);
    ann.events.on("blog.Post", run);
    ann.windows.connect("page.forged", run);
    await world.whisper(ben, channel, data);
    await until(() => whispers.length === 1);
    const client = Object.values((await world.api("history", { channel, limit: 1 })) as object)[0] as { info: { client: string } }[];
    expect(whispers).toEqual([{ channel, data, user: benSub, client: client[0]?.info.client }]);
    expect(run).not.toHaveBeenCalled();
    expect(ann.messages).toEqual([]);
    await world.publish(channel, { message: "of Django" });
    await until(() => texts(ann).length === 1);
    expect(texts(ann)).toEqual(["of Django"]);
    expect(whispers).toHaveLength(1);
  });

  it("do not use up the uid of a message", async () => {
    const { channel, ann, ben, whispers } = await pages();
    for (const [index, event_class] of ["", SIGNAL].entries()) {
      const uid = randomUUID();
      const run = vi.fn();
      ann.windows.connect("page.real", run);
      const content = { uid, event_class, message: "real", data: { name: "page.real", opts: {} } };
      await world.whisper(ben, channel, payload({ ...content, message: "forged" }));
      await world.publish(channel, content);
      await until(() => whispers.length === index + 1 && (event_class === SIGNAL ? run.mock.calls.length === 1 : texts(ann).length === 1));
    }
    expect(texts(ann)).toEqual(["real"]);
  });

  it("are whispers in recovery, too, and move the position", async () => {
    const { channel, ann, ben, whispers } = await pages();
    const joins: SubscribeEvent[] = [];
    ann.onSubscribe((event) => joins.push(event));
    await world.whisper(ben, channel, { n: 1 });
    await until(() => whispers.length === 1);
    ann.network.goDown();
    await until(() => ann.state === "connecting");
    await world.whisper(ben, channel, { n: 2 });
    await world.publish(channel, { message: "missed" });
    await world.whisper(ben, channel, payload({ message: "forged" }));
    ann.network.comeBack();
    await until(() => whispers.length === 3);
    // Only the position of the last publication makes this recovery an empty one.
    ann.network.cut();
    await until(() => joins.length === 2);
    await world.publish(channel, { message: "after" });
    await until(() => texts(ann).includes("after"));
    expect(whispers.map(({ data }) => data)).toMatchObject([{ n: 1 }, { n: 2 }, { message: "forged" }]);
    expect(texts(ann)).toEqual(["missed", "after"]);
    expect(joins).toEqual([1, 2].map(() => ({ channel, wasRecovering: true, recovered: true })));
  });

  it("of visitors have no user, and end with the undo", async () => {
    const channel = world.channel("open:");
    world.django.allowsVisitors = true;
    world.django.users.set("visitor", { sub: "", channels: [channel] });
    const page = world.page();
    const whispers: Whisper[] = [];
    const undo = page.onWhisper((whisper) => whispers.push(whisper));
    await world.joined(page, 1);
    await world.whisper(page, channel, "hi");
    await until(() => whispers.length === 1);
    expect(whispers).toEqual([{ channel, data: "hi", user: "", client: expect.any(String) as string }]);
    undo();
    await world.whisper(page, channel, "again");
    await world.publish(channel, { message: "after" });
    await until(() => texts(page).length === 1);
    expect(whispers).toHaveLength(1);
  });
});

describe("whispers", () => {
  it("are received by listeners with an undo", () => {
    const undo = useInstant().onWhisper(() => undefined);
    expect(undo()).toBeUndefined();
  });
});
