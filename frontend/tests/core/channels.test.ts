import { beforeEach, describe, expect, it } from "vitest";
import { ChannelLeft, ChannelRefused, type RevokedEvent, type SubscribeEvent, type UnsubscribeEvent } from "../../src/index";
import { REVOKED_CODE, REVOKED_REASON } from "../../src/core/protocol";
import { servers, texts, until, World } from "../support/live";

describe.each(servers)("channels, on $name", ({ port }) => {
  let world: World;
  beforeEach(async () => {
    world = await World.open(port);
  });

  it("reach those who may be in them, and nobody else", async () => {
    const [both, secret] = [world.channel(), world.channel()];
    world.django.addUser("ann", [both, secret]);
    world.django.addUser("ben", [both]);
    const [ann, ben] = [world.page("ann"), world.page("ben")];
    await world.joined(ann, 2);
    await world.joined(ben, 1);
    await expect(ben.subscribe(secret)).rejects.toEqual(new ChannelRefused(secret, "not allowed"));
    await world.publish(secret, { message: "for ann" });
    await world.publish(both, { message: "for both" });
    await until(() => texts(ann).length === 2 && texts(ben).length === 1);
    expect(texts(ann).sort()).toEqual(["for ann", "for both"]);
    expect(texts(ben)).toEqual(["for both"]);
    expect(ben.channels).toEqual([{ name: both, level: "users" }]);
    expect(ben.errors.map(String)).toEqual([`ChannelRefused: ${secret}: not allowed`]);
  });

  it("recover what was published while the page was offline, in order and once", async () => {
    const channel = world.channel();
    world.django.addUser("ann", [channel]);
    const page = world.page("ann");
    const joins: SubscribeEvent[] = [];
    page.onSubscribe((event) => joins.push(event));
    await world.joined(page, 1);
    await world.publish(channel, { message: "before" });
    await until(() => texts(page).length === 1);
    page.network.goDown();
    await until(() => page.state === "connecting");
    const missed = await world.publishMany(channel, 50);
    page.network.comeBack();
    await until(() => texts(page).length >= 51);
    await world.publish(channel, { message: "after" });
    await until(() => texts(page).includes("after"));
    expect(texts(page)).toEqual(["before", ...missed, "after"]);
    expect(joins).toEqual([
      { channel, wasRecovering: false, recovered: true },
      { channel, wasRecovering: true, recovered: true },
    ]);
    expect(world.django.count()).toBe(1);
  });

  it("are joined where the page's data was read, once, and then where the page is", async () => {
    const [channel, quiet] = [world.channel(), world.channel()];
    const ann = world.django.addUser("ann", [channel, quiet]);
    await world.publish(channel, { message: "known to the page" });
    const positions = [await world.position(channel), await world.position(quiet)];
    await world.publish(channel, { message: "between" });
    await world.publish(quiet, { message: "the first" });
    const credentials = world.django.credentials(ann) as { channels: object[] };
    const channels = credentials.channels.map((entry, index) => ({ ...entry, position: positions[index] }));
    const page = world.page("ann", { credentials: { ...credentials, channels } });
    const joins: SubscribeEvent[] = [];
    page.onSubscribe((event) => joins.push(event));
    await world.joined(page, 2);
    await until(() => texts(page).length === 2);
    page.network.cut();
    await until(() => joins.length === 4);
    await world.publish(channel, { message: "after" });
    await until(() => texts(page).length >= 3);
    expect(texts(page).slice(0, 2).sort()).toEqual(["between", "the first"]);
    expect(texts(page)[2]).toBe("after");
    expect(joins.every(({ wasRecovering, recovered }) => wasRecovering && recovered)).toBe(true);
    expect(world.django.count()).toBe(0);
  });

  it("say so where the page's position is not known any more, or is none", async () => {
    const [channel, other] = [world.channel(), world.channel()];
    const ann = world.django.addUser("ann", [channel, other]);
    await world.publish(channel, { message: "old" });
    const credentials = world.django.credentials(ann) as { channels: object[] };
    const positions = [{ offset: 1, epoch: "other" }, { offset: "1" }];
    const channels = credentials.channels.map((entry, index) => ({ ...entry, position: positions[index] }));
    const page = world.page("ann", { credentials: { ...credentials, channels } });
    const joins: SubscribeEvent[] = [];
    page.onSubscribe((event) => joins.push(event));
    await world.joined(page, 2);
    expect(joins.find((event) => event.channel === channel)).toEqual({ channel, wasRecovering: true, recovered: false });
    expect(joins.find((event) => event.channel === other)).toEqual({ channel: other, wasRecovering: false, recovered: true });
    expect(texts(page)).toEqual([]);
  });

  it("say so where the history is too short to recover", async () => {
    const channel = world.channel("$short:");
    world.django.addUser("ann", [channel]);
    const page = world.page("ann");
    const joins: SubscribeEvent[] = [];
    page.onSubscribe((event) => joins.push(event));
    await world.joined(page, 1);
    await world.publish(channel, { message: "before" });
    await until(() => texts(page).length === 1);
    page.network.goDown();
    await until(() => page.state === "connecting");
    await world.publishMany(channel, 5);
    page.network.comeBack();
    await until(() => joins.length === 2);
    expect(joins[1]).toEqual({ channel, wasRecovering: true, recovered: false });
    await world.publish(channel, { message: "after" });
    await until(() => texts(page).includes("after"));
    expect(texts(page)).toEqual(["before", "after"]);
  });

  it("hand each uid on once, whatever channel it comes by", async () => {
    const [one, two] = [world.channel(), world.channel()];
    world.django.addUser("ann", [one, two]);
    const page = world.page("ann");
    await world.joined(page, 2);
    const uid = world.channel("uid-");
    await world.publish(one, { message: "first", uid });
    await until(() => texts(page).length === 1);
    await world.publish(one, { message: "again", uid });
    await world.publish(two, { message: "elsewhere", uid });
    await world.publish(one, { message: "no uid", uid: "" });
    await world.publish(one, { message: "no uid", uid: "" });
    await world.publish(two, { message: "last" });
    await until(() => texts(page).length === 4);
    expect(texts(page).sort()).toEqual(["first", "last", "no uid", "no uid"]);
  });

  it("can be joined, left and joined again", async () => {
    const channel = world.channel();
    const ann = world.django.addUser("ann", []);
    const page = world.page("ann");
    const ends: UnsubscribeEvent[] = [];
    page.onUnsubscribe((event) => ends.push(event));
    await page.connect();
    ann.channels = [channel];
    await page.subscribe(channel);
    await Promise.all([page.subscribe(channel), page.subscribe(channel)]);
    expect(page.channels).toEqual([{ name: channel, level: "users" }]);
    await world.publish(channel, { message: "one" });
    await until(() => texts(page).length === 1);
    page.unsubscribe(channel);
    page.unsubscribe(channel);
    expect(page.channels).toEqual([]);
    expect(ends).toEqual([{ channel, code: 0, reason: "unsubscribe called" }]);
    await world.publish(channel, { message: "missed" });
    await page.subscribe(channel);
    await world.publish(channel, { message: "two" });
    await until(() => texts(page).includes("two"));
    expect(texts(page)).toEqual(["one", "two"]);
    expect(page.errors).toEqual([]);
    expect(world.django.count()).toBe(2);
  });

  it("survive a component that is mounted, unmounted and mounted at once", async () => {
    const channel = world.channel();
    world.django.addUser("ann", []).channels = [channel];
    const page = world.page("ann");
    const first = page.subscribe(channel);
    page.unsubscribe(channel);
    const second = page.subscribe(channel);
    await expect(first).rejects.toBeInstanceOf(ChannelLeft);
    await second;
    const third = page.subscribe(world.channel());
    await expect(third).rejects.toBeInstanceOf(ChannelRefused);
    for (let time = 0; time < 5; time += 1) {
      page.unsubscribe(channel);
      void page.subscribe(channel);
      await new Promise((resolve) => setTimeout(resolve, time));
    }
    await page.subscribe(channel);
    await world.publish(channel, { message: "here" });
    await until(() => texts(page).length === 1);
    expect(page.channels.map(({ name }) => name)).toEqual([channel]);
  });

  it("left while they are being joined are not joined after a reconnection", async () => {
    const channel = world.channel();
    const ann = world.django.addUser("ann", []);
    const page = world.page("ann");
    await page.connect();
    ann.channels = [channel];
    const joined = page.subscribe(channel);
    await until(() => page.client?.getSubscription(channel)?.state === "subscribing");
    page.unsubscribe(channel);
    page.network.cut();
    await expect(joined).rejects.toBeInstanceOf(ChannelLeft);
    await new Promise<void>((resolve) => page.onConnect(resolve));
    expect([page.channels, page.client?.getSubscription(channel)]).toEqual([[], null]);
    await page.subscribe(channel);
  });

  it("stay left after a reconnection", async () => {
    const [kept, left] = [world.channel(), world.channel()];
    world.django.addUser("ann", [kept, left]);
    const page = world.page("ann");
    await world.joined(page, 2);
    page.unsubscribe(left);
    page.network.cut();
    const back = new Promise((resolve) => page.onSubscribe(resolve));
    expect(await back).toMatchObject({ channel: kept });
    await world.publish(left, { message: "no" });
    await world.publish(kept, { message: "yes" });
    await until(() => texts(page).length === 1);
    expect(texts(page)).toEqual(["yes"]);
    expect(page.channels.map(({ name }) => name)).toEqual([kept]);
  });

  it("that the server refuses do not stop the others", async () => {
    const [good, unknown] = [world.channel(), world.channel("$nowhere:")];
    world.django.addUser("ann", [unknown, good]);
    const page = world.page("ann");
    await world.joined(page, 1);
    await until(() => page.errors.length === 1);
    expect(page.errors[0]).toBeInstanceOf(ChannelRefused);
    expect(page.errors[0]).toMatchObject({ channel: unknown, reason: expect.stringContaining("102") as string });
    await expect(page.subscribe(unknown)).rejects.toBeInstanceOf(ChannelRefused);
    await world.publish(good, { message: "still here" });
    await until(() => texts(page).length === 1);
    expect(page.channels.map(({ name }) => name)).toEqual([good]);
  });

  it("that the server ends are gone, and are told", async () => {
    const [kept, taken] = [world.channel(), world.channel()];
    const ann = world.django.addUser("ann", [kept, taken]);
    const page = world.page("ann");
    const ends: UnsubscribeEvent[] = [];
    page.onUnsubscribe((event) => ends.push(event));
    await world.joined(page, 2);
    ann.channels = [kept];
    await world.api("unsubscribe", { user: ann.sub, channel: taken });
    await until(() => ends.length === 1);
    expect(ends[0]).toMatchObject({ channel: taken, code: 2000 });
    expect(page.channels.map(({ name }) => name)).toEqual([kept]);
    expect(page.errors).toEqual([]);
    await expect(page.subscribe(taken)).rejects.toBeInstanceOf(ChannelRefused);
    expect(page.state).toBe("connected");
  });

  it("that the user loses are reported as revoked: by an unsubscribe, and by a refusal to join again", async () => {
    const [pushed, refused, left, never] = [world.channel(), world.channel(), world.channel(), world.channel()];
    const ann = world.django.addUser("ann", [pushed, refused, left]);
    const page = world.page("ann");
    const revoked: RevokedEvent[] = [];
    const ends: string[] = [];
    page.onUnsubscribe(({ channel }) => ends.push(channel));
    const undo = page.onRevoked((event) => revoked.push(event));
    await world.joined(page, 3);
    page.unsubscribe(left);
    await expect(page.subscribe(never)).rejects.toBeInstanceOf(ChannelRefused);
    page.network.cut();
    await new Promise((resolve) => page.onSubscribe(resolve));
    await until(() => page.channels.every(({ name }) => page.client?.getSubscription(name)?.state === "subscribed"));
    expect(revoked).toEqual([]);
    ann.channels = [];
    await world.api("unsubscribe", { user: ann.sub, channel: pushed });
    await until(() => revoked.length === 1);
    expect(revoked).toEqual([{ channel: pushed, reason: REVOKED_REASON }]);
    await world.end(ann.sub, REVOKED_CODE, REVOKED_REASON);
    await until(() => revoked.length === 2);
    expect(revoked[1]).toEqual({ channel: refused, reason: "not allowed" });
    expect(ends).toEqual([left, pushed, refused]);
    expect(page.channels).toEqual([]);
    undo();
  });

  it("that end for other reasons are not reported as revoked", async () => {
    const [shared, unknown] = [world.channel(), world.channel("$nowhere:")];
    world.django.addUser("ann", [shared, unknown]);
    world.django.addUser("ben", []);
    const page = world.page("ann");
    const revoked: RevokedEvent[] = [];
    page.onRevoked((event) => revoked.push(event));
    await world.joined(page, 1);
    await page.subscribe(shared);
    await page.login("ben", "secret"); // ben may not join what ann asked for
    await until(() => page.errors.length === 2);
    page.disconnect();
    await page.logout();
    expect(revoked).toEqual([]);
  });

  it("are joined anew with a good token where the server asks for it", async () => {
    const channel = world.channel();
    const ann = world.django.addUser("ann", [channel]);
    world.django.channelTtl = 2;
    const page = world.page("ann");
    await world.joined(page, 1);
    await world.publish(channel, { message: "before" });
    await until(() => texts(page).length === 1);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const back = new Promise((resolve) => page.onSubscribe(resolve));
    // Only a subscription's expiry makes the real server say it; the SDK is told here.
    page.client?.getSubscription(channel)?.emit("subscribing", { channel, code: 2500, reason: "insufficient state" });
    expect(await back).toEqual({ channel, wasRecovering: true, recovered: true });
    expect(page.errors).toEqual([]);
    expect(world.django.asked[1]?.body).toMatchObject({ channels: [channel] });
    expect(ann.channels).toEqual([channel]);
  });

  it("report that nothing was recovered if the server has lost the state", async () => {
    const channel = world.channel();
    world.django.addUser("ann", [channel]);
    const page = world.page("ann");
    await world.joined(page, 1);
    const back = new Promise((resolve) => page.onSubscribe(resolve));
    page.client?.getSubscription(channel)?.emit("subscribing", { channel, code: 2502, reason: "state invalidated" });
    expect(await back).toEqual({ channel, wasRecovering: true, recovered: false });
    await world.publish(channel, { message: "after" });
    await until(() => texts(page).length === 1);
    expect(page.errors).toEqual([]);
  });

  it("take messages of other publishers", async () => {
    const channel = world.channel();
    world.django.addUser("ann", [channel]);
    const page = world.page("ann");
    await world.joined(page, 1);
    for (const data of [["a", 1], "text", 5, null, { other: true }]) await world.api("publish", { channel, data });
    await until(() => page.messages.length === 5);
    expect(page.messages.map(({ data }) => data)).toEqual([["a", 1], "text", 5, null, { other: true }]);
  });
});
