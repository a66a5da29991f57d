import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { serverAddress } from "../../src/core/options";
import { parseCredentials, parseToken, Tokens } from "../../src/core/credentials";
import { jwt } from "../support/django";

const answer = (content: object = {}): object => ({
  csrf_token: "c",
  ws_token: jwt({ sub: "7", iat: 100, exp: 160 }),
  websocket_url: "ws://host",
  channels: [{ name: "$a", level: "users", token: jwt({ sub: "7", channel: "$a", iat: 100, exp: 110 }) }],
  refused: [],
  ...content,
});

describe("a token", () => {
  it("has its user and its lifetime, regardless of the local clock", () => {
    expect(parseToken(jwt({ sub: "7", iat: 100, exp: 160 }))).toMatchObject({ user: "7", lifetime: 60_000 });
    expect(parseToken(jwt({ sub: "Jürgen 🎉", iat: 0, exp: 1 })).user).toBe("Jürgen 🎉");
    expect(parseToken(jwt({}))).toMatchObject({ user: "", lifetime: Infinity });
    expect(parseToken(jwt({ exp: Date.now() / 1000 + 60 })).lifetime).toBeGreaterThan(50_000);
  });

  it.each(["", "x", "a.b.c", `a.${btoa("[]")}.c`, "a.%%%.c"])("that is not a JWT is refused, and the error does not contain it: %s", (value) => {
    expect(() => parseToken(value)).toThrow("the answer contains a token that is not a JWT");
  });
});

describe("an answer", () => {
  it("lists each channel once", () => {
    const { channels } = answer() as { channels: object[] };
    expect(parseCredentials(answer({ channels: [...channels, ...channels] })).channels).toHaveLength(1);
  });

  it("needs only the connection token", () => {
    const minimal = { ws_token: jwt({ sub: "7" }) };
    expect(parseCredentials(minimal)).toMatchObject({ csrfToken: "", websocketUrl: "", channels: [], refused: [] });
  });

  it.each([
    ["nothing", null],
    ["a list", []],
    ["no tokens", {}],
    ["a number as token", answer({ ws_token: 5 })],
    ["no list of channels", answer({ channels: {} })],
    ["names as channels", answer({ channels: ["$a"] })],
    ["a channel without token", answer({ channels: [{ name: "$a" }] })],
    ["a refusal without name", answer({ refused: [{}] })],
  ])("of a wrong shape is refused: %s", (_name, raw) => {
    expect(() => parseCredentials(raw)).toThrow(/^the answer/);
  });
});

describe("kept tokens", () => {
  beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
  afterEach(() => void vi.useRealTimers());

  it("are valid from the request until shortly before they expire", () => {
    const tokens = new Tokens();
    expect([tokens.connection, tokens.channel("$a")]).toEqual([null, null]);
    tokens.keep(parseCredentials(answer()), Date.now());
    vi.setSystemTime(1_007_900);
    expect(tokens.channel("$a")).toBe(tokens.latestChannel("$a"));
    vi.setSystemTime(1_008_000);
    expect([tokens.channel("$a"), tokens.latestChannel("$a") !== null]).toEqual([null, true]);
    expect(tokens.connection).toBe(tokens.latestConnection);
    vi.setSystemTime(1_055_000);
    expect(tokens.connection).toBeNull();
    vi.setSystemTime(999_999);
    expect(tokens.connection).toBeNull();
  });

  it("can be dropped", () => {
    const tokens = new Tokens();
    tokens.keep(parseCredentials(answer()), Date.now());
    tokens.dropChannel("$a");
    expect([tokens.latestChannel("$a"), tokens.connection !== null]).toEqual([null, true]);
    tokens.clear();
    expect(tokens.latestConnection).toBeNull();
  });
});

describe("the server's address", () => {
  it.each([
    ["ws://host:8427", undefined, "ws://host:8427/connection/websocket"],
    ["wss://host/", undefined, "wss://host/connection/websocket"],
    ["http://host:8000", undefined, "ws://host:8000/connection/websocket"],
    ["https://host/rt/ws", undefined, "wss://host/rt/ws"],
    ["/connection/websocket", "https://site.example/page?x=1", "wss://site.example/connection/websocket"],
    ["/", "http://localhost:8000/admin/", "ws://localhost:8000/connection/websocket"],
    ["ws://host/connection/websocket?format=json", undefined, "ws://host/connection/websocket?format=json"],
  ])("%s seen from %s is %s", (url, base, expected) => {
    expect(serverAddress(url, base)).toBe(expected);
  });

  it("must not be relative without a page", () => {
    expect(() => serverAddress("/connection/websocket", undefined)).toThrow();
  });
});
