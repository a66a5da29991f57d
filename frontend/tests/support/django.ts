/** A stand-in for Django: the doors of `instant.urls`, with sessions in cookies, counting what is asked. */

import { createHmac, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { HMAC_KEY } from "./servers";

export interface User {
  readonly sub: string;
  readonly password?: string;
  channels: string[];
  /** What the user's connection tokens have for Django alone. */
  readonly meta?: object;
}

interface Asked {
  readonly path: string;
  readonly body: { username?: string; password?: string; channels?: string[]; client?: string };
  readonly csrf: string | undefined;
}

interface Answer {
  readonly status: number;
  readonly content: unknown;
  readonly cookie?: string;
}

function base64(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

export function jwt(claims: object, key: string = HMAC_KEY): string {
  const head = `${base64({ alg: "HS256", typ: "JWT" })}.${base64(claims)}`;
  return `${head}.${createHmac("sha256", key).update(head).digest("base64url")}`;
}

/** Not what a test puts in its place. */
const realFetch = fetch;

const refusal = (status: number, error: string, reason: string): Answer => ({ status, content: { error, reason } });

export class Django {
  readonly asked: Asked[] = [];
  readonly users = new Map<string, User>();
  /** Statuses to answer the next get_token requests with. */
  readonly failures: number[] = [];
  allowsVisitors = false;
  /** As with INSTANT_STRICT. */
  isStrict = false;
  connectionTtl = 1800;
  channelTtl = 300;
  key = HMAC_KEY;
  /** How much the clock of this Django is wrong, in seconds. */
  clockError = 0;
  private readonly sessions = new Map<string, string>();
  private readonly server: Server;

  constructor(private readonly websocketPort: number) {
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  count(path = "get_token/"): number {
    return this.asked.filter((request) => request.path === path).length;
  }

  addUser(name: string, channels: string[]): User {
    const user = { sub: `${name}-${randomUUID().slice(0, 8)}`, password: "secret", channels };
    this.users.set(name, user);
    return user;
  }

  /** A fetch that keeps cookies, as a browser does; `as` is who is logged in. */
  browser(as?: string): typeof fetch {
    let cookie = as === undefined ? "" : this.session(as);
    return async (input, init) => {
      const response = await realFetch(input, { ...init, headers: { ...init?.headers, cookie } });
      cookie = response.headers.get("set-cookie") ?? cookie;
      return response;
    };
  }

  endSessions(): void {
    this.sessions.clear();
  }

  /** Have all sessions be those of this user. */
  takeOver(name: string): void {
    for (const session of this.sessions.keys()) this.sessions.set(session, name);
  }

  credentials(user: User, names?: string[], client?: string): object {
    const given = names === undefined ? user.channels : names.filter((name) => user.channels.includes(name));
    const refused = (names ?? []).filter((name) => !user.channels.includes(name));
    return {
      csrf_token: "the-csrf-token",
      ws_token: this.token(user, this.connectionTtl, user.meta === undefined ? {} : { meta: user.meta }),
      websocket_url: `ws://127.0.0.1:${this.websocketPort}`,
      channels: given.map((name) => ({ name, level: "users", ...this.ofChannel(user, name, client) })),
      refused: refused.map((name) => ({ name, reason: "not allowed" })),
    };
  }

  channelToken(user: User, channel: string, more: object = {}): string {
    return this.token(user, this.channelTtl, { channel, expire_at: 0, ...more });
  }

  private ofChannel(user: User, name: string, client?: string): object {
    if (!this.isStrict) return { token: this.channelToken(user, name) };
    return client === undefined ? { strict: true } : { strict: true, token: this.channelToken(user, name, { client }) };
  }

  private token({ sub }: User, ttl: number, more: object): string {
    const now = Math.floor(Date.now() / 1000) + this.clockError;
    return jwt({ sub, iat: now, exp: now + ttl, ...more }, this.key);
  }

  private session(name: string): string {
    const cookie = `sessionid=${randomUUID()}`;
    this.sessions.set(cookie, name);
    return cookie;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const asked: Asked = {
      path: (request.url ?? "").replace("/instant/", ""),
      body: JSON.parse(text || "{}") as Asked["body"],
      csrf: request.headers["x-csrftoken"]?.toString(),
    };
    this.asked.push(asked);
    const { status, content, cookie } = this.answer(asked, request.headers.cookie ?? "");
    if (cookie !== undefined) response.setHeader("Set-Cookie", cookie);
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(content));
  }

  private answer(asked: Asked, cookie: string): Answer {
    if (asked.path === "login/") return this.login(asked);
    if (asked.path === "logout/") return this.logout(asked, cookie);
    if (asked.path !== "get_token/") return refusal(404, "not_found", asked.path);
    const failure = this.failures.shift();
    if (failure !== undefined) return refusal(failure, "broken", "on purpose");
    const name = this.sessions.get(cookie);
    const visitor = this.allowsVisitors ? this.users.get("visitor") : undefined;
    const user = name === undefined ? visitor : this.users.get(name);
    if (user === undefined) return refusal(403, "not_logged_in", "log in to get a token");
    return { status: 200, content: this.credentials(user, asked.body.channels, asked.body.client) };
  }

  private login({ body }: Asked): Answer {
    const user = this.users.get(body.username ?? "");
    if (user === undefined || user.password !== body.password) return refusal(403, "wrong_credentials", "wrong");
    return { status: 200, content: this.credentials(user), cookie: this.session(body.username ?? "") };
  }

  private logout({ csrf }: Asked, cookie: string): Answer {
    if (csrf !== "the-csrf-token") return refusal(403, "csrf", "CSRF");
    this.sessions.delete(cookie);
    return { status: 200, content: { response: "ok" } };
  }
}
