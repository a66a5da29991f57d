import { describe, expect, it, vi } from "vitest";
import { RequestFailed, UnauthorizedError } from "../../src/core/errors";
import { DjangoApi } from "../../src/core/djangoApi";
import { jwt } from "../support/django";

const never = new AbortController().signal;
const good = { csrf_token: "csrf", ws_token: jwt({ sub: "7", iat: 0, exp: 60 }) };

function backend(response: () => Response | Promise<Response>, options: object = {}): [DjangoApi, ReturnType<typeof vi.fn>] {
  const asked = vi.fn((_url: string, _init: RequestInit) => Promise.resolve().then(response));
  return [new DjangoApi({ fetch: asked as unknown as typeof fetch, ...options }), asked];
}

const json = (content: unknown, status = 200): Response => new Response(JSON.stringify(content), { status });

describe("a request to Django", () => {
  it.each([
    [{}, "/instant/get_token/"],
    [{ backendUrl: "https://example.org/" }, "https://example.org/instant/get_token/"],
    [{ backendUrl: "https://example.org", prefix: "realtime/v2" }, "https://example.org/realtime/v2/get_token/"],
    [{ prefix: "/" }, "/get_token/"],
  ])("with %j goes to %s", async (options, url) => {
    const [django, asked] = backend(() => json(good), options);
    await django.getToken(null, never);
    expect(asked.mock.calls[0]?.[0]).toBe(url);
  });

  it("contains cookies, JSON, and the CSRF token once it is known", async () => {
    const [django, asked] = backend(() => json(good));
    await django.login("ann", "secret");
    await django.getToken(["$a"], never);
    const [first, second] = asked.mock.calls.map((call) => call[1] as RequestInit);
    expect(first).toMatchObject({ method: "POST", credentials: "include", body: '{"username":"ann","password":"secret"}' });
    expect(first?.headers).toEqual({ "Content-Type": "application/json" });
    expect(second).toMatchObject({ body: '{"channels":["$a"]}' });
    expect(second?.headers).toEqual({ "Content-Type": "application/json", "X-CSRFToken": "csrf" });
  });

  it.each([
    [401, UnauthorizedError, false],
    [403, UnauthorizedError, false],
    [404, RequestFailed, false],
    [429, RequestFailed, true],
    [500, RequestFailed, true],
    [503, RequestFailed, true],
  ])("that is answered with %i fails with the right error", async (status, Kind, retryable) => {
    const [django] = backend(() => json({ error: "code", reason: "why" }, status));
    const error: unknown = await django.getToken(null, never).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Kind);
    expect(error).toMatchObject({ status, code: "code", reason: "why", retryable });
    expect(String(error)).toBe(`${Kind.name}: request to get_token/ failed: ${status} (code) why`);
  });

  it("may be refused without JSON", async () => {
    const [django] = backend(() => new Response("<h1>Bad Gateway</h1>", { status: 502, statusText: "Bad Gateway" }));
    await expect(django.getToken(null, never)).rejects.toMatchObject({ code: "http", reason: "Bad Gateway", retryable: true });
  });

  it("contains the page's path if it is for all channels", async () => {
    const [django, asked] = backend(() => json(good), { path: "/news/" });
    await django.getToken(null, never);
    await django.getToken(["$a"], never);
    await django.login("ann", "secret");
    const bodies = asked.mock.calls.map((call) => (call[1] as RequestInit).body);
    const login = '{"username":"ann","password":"secret","path":"/news/"}';
    expect(bodies).toEqual(['{"path":"/news/"}', '{"channels":["$a"]}', login]);
  });

  it.each(["<html>log in</html>", "{}", '{"ws_token": "eyJsecret"}'])("answered with %s is not retried", async (body) => {
    const [django] = backend(() => new Response(body));
    const error: unknown = await django.getToken(null, never).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "invalid_answer", retryable: false });
    expect(JSON.stringify(error) + String(error)).not.toContain("eyJ");
  });

  it("without an answer can be retried", async () => {
    const [django] = backend(() => Promise.reject(new TypeError("fetch failed")));
    await expect(django.getToken(null, never)).rejects.toMatchObject({ status: 0, code: "network", retryable: true });
  });

  it("is aborted by its signal, and after 20 seconds", async () => {
    vi.useFakeTimers();
    const asked = vi.fn((_url: string, init: RequestInit) => new Promise<Response>((_resolve, reject) => {
      init.signal?.addEventListener("abort", () => reject(new Error("aborted")));
    }));
    const django = new DjangoApi({ fetch: asked as unknown as typeof fetch });
    const abort = new AbortController();
    const first = django.getToken(null, abort.signal);
    abort.abort();
    await expect(first).rejects.toMatchObject({ code: "network" });
    const second = django.getToken(null, never);
    const failed = expect(second).rejects.toMatchObject({ code: "network" });
    await vi.advanceTimersByTimeAsync(20_000);
    await failed;
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
});
