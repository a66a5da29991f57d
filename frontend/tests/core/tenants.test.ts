/** Names on a server that several tenants share: the same as in `tests/channels/test_tenants.py`. */

import { describe, expect, it } from "vitest";
import { parseToken } from "../../src/core/credentials.js";
import { channelOnServer, infoInSite, userInSite } from "../../src/core/tenants.js";

const NAMES = {
  news: "acme/news",
  $staff: "$acme/staff",
  "post:7": "post:acme/7",
  "$post:7": "$post:acme/7",
  "$post:a:b/c": "$post:acme/a:b/c",
  "$a/b": "$acme/a/b",
  "ws:chat:1": "ws:acme/chat:1",
};

describe("names on the server", () => {
  it.each(Object.entries(NAMES))("%s is %s", (name, onServer) => {
    expect(channelOnServer(name, "acme")).toBe(onServer);
    expect(channelOnServer(name, "")).toBe(name);
  });

  it("of users", () => {
    expect(userInSite("acme/5", "acme")).toBe("5");
    expect(userInSite("acme/a/b", "acme")).toBe("a/b");
    expect(userInSite("beta/5", "acme")).toBe("beta/5");
    expect(userInSite("", "acme")).toBe("");
    expect(userInSite("/5", "")).toBe("/5");
    expect(infoInSite({ client: "c", user: "acme/5" }, "acme")).toEqual({ client: "c", user: "5" });
  });

  it("are said by the connection's token", () => {
    const token = (claims: object): string => `e30.${btoa(JSON.stringify(claims))}.x`;
    expect(parseToken(token({ sub: "acme/5", meta: { tenant: "acme" } }))).toMatchObject({ user: "5", tenant: "acme" });
    expect(parseToken(token({ sub: "a/5", meta: {} }))).toMatchObject({ user: "a/5", tenant: "" });
  });
});
