/** Strict channels: each connection asks Django anew, with one request, and misses nothing. */

import { readFileSync } from "node:fs";
import { Centrifuge, UnauthorizedError } from "centrifuge";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { ChannelRefused, type RevokedEvent } from "../../src/index";
import { REVOKED_CODE, REVOKED_REASON } from "../../src/core/protocol";
import { Network, servers, texts, until, World } from "../support/live";

type JoinStrict = (client: Centrifuge, channel: string, onData: (data: { message: string }) => void) => void;

/** Return `joinStrict` of docs/endpoints.md; it asks this Django. */
function joinStrict(ask: typeof fetch): JoinStrict {
  const page = readFileSync(new URL("../../../docs/endpoints.md", import.meta.url), "utf8");
  const code = /^```js sdk\n(.*?)^```$/ms.exec(page)?.[1] ?? "";
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  return new Function("fetch", "UnauthorizedError", `${code}; return joinStrict;`)(ask, UnauthorizedError) as JoinStrict;
}

describe.each(servers)("strict channels, on $name", ({ port }) => {
  let world: World;
  beforeEach(async () => {
    world = await World.open(port);
    world.django.isStrict = true;
  });

  it("cost one request for each connection, and miss nothing in between", async () => {
    const names = [world.channel(), world.channel(), world.channel()];
    world.django.addUser("ann", names);
    const page = world.page("ann");
    await world.joined(page, 3);
    expect(world.django.count()).toBe(2); // all channels, and the tokens of the connection
    await world.publish(names[0] ?? "", { message: "before" });
    await until(() => texts(page).length === 1);
    page.network.goDown();
    await until(() => page.state === "connecting");
    const missed = await world.publishMany(names[0] ?? "", 50);
    page.network.comeBack();
    await until(() => texts(page).length >= 51);
    expect(texts(page)).toEqual(["before", ...missed]);
    expect(world.django.count()).toBe(3);
    const clients = world.django.asked.map(({ body }) => body.client);
    expect(clients[0]).toBeUndefined();
    expect(clients[1]).not.toBe(clients[2]);
  });

  it("are left for good where the right has ended, and the others go on", async () => {
    const [kept, lost] = [world.channel(), world.channel()];
    const ann = world.django.addUser("ann", [kept, lost]);
    const page = world.page("ann");
    const revoked: RevokedEvent[] = [];
    page.onRevoked((event) => revoked.push(event));
    await world.joined(page, 2);
    ann.channels = [kept];
    await world.api("disconnect", { user: ann.sub, disconnect: { code: REVOKED_CODE, reason: REVOKED_REASON } });
    const missed = await world.publishMany(kept, 10);
    await world.publish(lost, { message: "secret" });
    await until(() => revoked.length === 1 && texts(page).length === 10);
    expect(revoked).toEqual([{ channel: lost, reason: "not allowed" }]);
    expect(texts(page)).toEqual(missed);
  });

  it("can be asked for by name, before and after the page is connected", async () => {
    const [first, second] = [world.channel(), world.channel()];
    world.django.addUser("ann", [first, second]);
    const page = world.page("ann");
    await page.subscribe(first);
    await page.subscribe(second);
    await expect(page.subscribe(world.channel())).rejects.toBeInstanceOf(ChannelRefused);
    await world.publish(second, { message: "hi" });
    await until(() => texts(page).length === 1);
  });

  it("are joined by the SDK alone as the documentation says", async () => {
    const channel = world.channel();
    const ann = world.django.addUser("ann", [channel]);
    const browser = world.django.browser("ann");
    const network = new Network();
    const { ws_token, websocket_url } = world.django.credentials(ann) as { ws_token: string; websocket_url: string };
    const client = new Centrifuge(`${websocket_url}/connection/websocket`, {
      token: ws_token,
      websocket: network.Socket,
      minReconnectDelay: 10,
      maxReconnectDelay: 50,
    });
    onTestFinished(() => client.disconnect());
    const received: string[] = [];
    joinStrict((path, init) => browser(`${world.django.url}${String(path)}`, init))(client, channel, ({ message }) => received.push(message));
    client.connect();
    await until(() => client.getSubscription(channel)?.state === "subscribed");
    await world.publish(channel, { message: "before" });
    await until(() => received.length === 1);
    network.goDown();
    await until(() => client.state === "connecting");
    const missed = await world.publishMany(channel, 20);
    network.comeBack();
    await until(() => received.length === 21);
    expect(received).toEqual(["before", ...missed]);
    ann.channels = [];
    network.cut();
    await until(() => client.state === "connecting");
    await until(() => client.getSubscription(channel)?.state === "unsubscribed");
  });
});
