import type { StreamPosition } from "centrifuge";
import { InstantError } from "./errors.js";
import { isObject, type JsonObject } from "./message.js";

/** A JWT and how long it is good, in milliseconds from the moment it was asked for. */
export interface Token {
  readonly value: string;
  readonly user: string;
  readonly lifetime: number;
}

/** One channel of an answer. */
export interface ChannelToken {
  readonly name: string;
  readonly level: string;
  readonly token: Token;
  /** Where the channel's history stood before the page's data was read; null where that is not known. */
  readonly position: StreamPosition | null;
}

/** An answer of login or get_token, read and checked. */
export interface Credentials {
  readonly csrfToken: string;
  /** The page's window, to be sent with each request for tokens; null if it is no more, undefined where nothing is told. */
  readonly window: string | null | undefined;
  readonly websocketUrl: string;
  readonly connection: Token;
  readonly channels: readonly ChannelToken[];
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
}

/** Read an answer of login or get_token. Throws an InstantError, which quotes nothing of it. */
export function parseCredentials(raw: unknown): Credentials {
  if (!isObject(raw)) throw new InstantError("the answer is no JSON object");
  const channels = new Map(list(raw, "channels").map((item) => [field(item, "name"), parseChannel(item)] as const));
  return {
    csrfToken: optional(raw, "csrf_token"),
    window: "window" in raw ? optional(raw, "window") || null : undefined,
    websocketUrl: optional(raw, "websocket_url"),
    connection: parseToken(field(raw, "ws_token")),
    channels: [...channels.values()],
    refused: list(raw, "refused").map((item) => ({ name: field(item, "name"), reason: optional(item, "reason") })),
  };
}

/** Read what a JWT says of itself; its lifetime is `exp` minus `iat`, so that the clock here may be wrong. */
export function parseToken(value: string): Token {
  const claims = decoded(value);
  const { sub, exp, iat } = claims;
  const from = typeof iat === "number" ? iat : Date.now() / 1000;
  return {
    value,
    user: typeof sub === "string" ? sub : "",
    lifetime: typeof exp === "number" ? (exp - from) * 1000 : Infinity,
  };
}

function decoded(token: string): JsonObject {
  try {
    const payload = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
    if (isObject(claims)) return claims;
  } catch {
    // told below: the original error could quote the token
  }
  throw new InstantError("the answer holds a token that is no JWT");
}

function parseChannel(item: JsonObject): ChannelToken {
  const { position } = item;
  return {
    name: field(item, "name"),
    level: optional(item, "level"),
    token: parseToken(field(item, "token")),
    position: isPosition(position) ? { offset: position.offset, epoch: position.epoch } : null,
  };
}

function isPosition(value: unknown): value is StreamPosition {
  return isObject(value) && typeof value["offset"] === "number" && typeof value["epoch"] === "string";
}

function list(raw: JsonObject, key: string): JsonObject[] {
  const value = raw[key] ?? [];
  if (!Array.isArray(value) || !value.every(isObject)) throw new InstantError(`the answer's "${key}" is no list of objects`);
  return value;
}

function field(raw: JsonObject, key: string): string {
  const value = raw[key];
  if (typeof value !== "string" || value === "") throw new InstantError(`the answer has no "${key}"`);
  return value;
}

function optional(raw: JsonObject, key: string): string {
  const value = raw[key];
  return typeof value === "string" ? value : "";
}

/** How long before its end a token is no longer used. `iat` has no fractions: up to a second of its life is not there. */
const margin = ({ lifetime }: Token): number => Math.min(5000, 1000 + lifetime / 10, lifetime / 2);

class Held {
  constructor(
    readonly token: Token,
    private readonly since: number,
  ) {}

  isGood(now: number): boolean {
    return now >= this.since && now < this.since + this.token.lifetime - margin(this.token);
  }
}

/** The tokens of one user. Only what is good is given out, but for `latest…`. */
export class Tokens {
  private held: Held | null = null;
  private readonly byChannel = new Map<string, Held>();

  /** Keep the tokens of an answer that was asked for at `since`. */
  keep(credentials: Credentials, since: number): void {
    this.held = new Held(credentials.connection, since);
    for (const { name, token } of credentials.channels) this.byChannel.set(name, new Held(token, since));
  }

  get connection(): string | null {
    return good(this.held);
  }

  channel(name: string): string | null {
    return good(this.byChannel.get(name));
  }

  /** The connection token as it came, good or not. */
  get latestConnection(): string | null {
    return this.held?.token.value ?? null;
  }

  /** The channel's token as it came, good or not. */
  latestChannel(name: string): string | null {
    return this.byChannel.get(name)?.token.value ?? null;
  }

  dropConnection(): void {
    this.held = null;
  }

  dropChannel(name: string): void {
    this.byChannel.delete(name);
  }

  dropChannels(): void {
    this.byChannel.clear();
  }

  clear(): void {
    this.held = null;
    this.byChannel.clear();
  }
}

function good(held: Held | null | undefined): string | null {
  return held?.isGood(Date.now()) ? held.token.value : null;
}
