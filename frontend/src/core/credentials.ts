/** Tokens: parsing of Django's answers, and the time for which each token is used. */

import type { StreamPosition } from "centrifuge";
import { bytesOfBase64 } from "./base64.js";
import { InstantError } from "./errors.js";
import { isObject, type JsonObject, text } from "./json.js";
import { userInSite } from "./tenants.js";

/** A JWT. `lifetime` is in milliseconds, counted from the time of the request. */
export interface Token {
  readonly value: string;
  readonly user: string;
  /** The site's tenant, "" for none. Only connection tokens contain it. */
  readonly tenant: string;
  readonly lifetime: number;
}

/** One channel of an answer of Django. */
export interface ChannelToken {
  readonly name: string;
  readonly level: string;
  /** Whether each token is bound to one connection. */
  readonly strict: boolean;
  /** Null for a strict channel if the request did not contain a connection id. */
  readonly token: Token | null;
  /** The position in the channel's history before Django read the page's data; null if it is unknown. */
  readonly position: StreamPosition | null;
}

/** A validated answer of login or get_token. */
export interface Credentials {
  readonly csrfToken: string;
  /** The page's window, for later token requests; null if it is no longer valid, undefined if the answer has none. */
  readonly window: string | null | undefined;
  readonly websocketUrl: string;
  readonly connection: Token;
  readonly channels: readonly ChannelToken[];
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
}

/** Parse an answer of login or get_token. Throws an InstantError, whose message contains no part of the answer. */
export function parseCredentials(raw: unknown): Credentials {
  if (!isObject(raw)) throw new InstantError("the answer is not a JSON object");
  const channels = new Map(list(raw, "channels").map((item) => [field(item, "name"), parseChannel(item)] as const));
  return {
    csrfToken: text(raw["csrf_token"]),
    window: "window" in raw ? text(raw["window"]) || null : undefined,
    websocketUrl: text(raw["websocket_url"]),
    connection: parseToken(field(raw, "ws_token")),
    channels: [...channels.values()],
    refused: list(raw, "refused").map((item) => ({ name: field(item, "name"), reason: text(item["reason"]) })),
  };
}

/** Return the answer without the tokens that are bound to one connection. */
export function withoutStrictTokens(credentials: Credentials): Credentials {
  const channels = credentials.channels.map((channel) => (channel.strict ? { ...channel, token: null } : channel));
  return { ...credentials, channels };
}

/**
 * Parse a JWT. Its lifetime is `exp` minus `iat`, so that the local clock does not matter. Throws an InstantError if it
 * is not a JWT.
 */
export function parseToken(value: string): Token {
  const claims = decoded(value);
  const { sub, exp, iat, meta } = claims;
  const tenant = isObject(meta) ? text(meta["tenant"]) : "";
  const from = typeof iat === "number" ? iat : Date.now() / 1000;
  return {
    value,
    user: userInSite(text(sub), tenant),
    tenant,
    lifetime: typeof exp === "number" ? (exp - from) * 1000 : Infinity,
  };
}

function decoded(token: string): JsonObject {
  try {
    const payload = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const claims = JSON.parse(new TextDecoder().decode(bytesOfBase64(payload))) as unknown;
    if (isObject(claims)) return claims;
  } catch {
    // thrown below: the original error could contain the token
  }
  throw new InstantError("the answer contains a token that is not a JWT");
}

function parseChannel(item: JsonObject): ChannelToken {
  const { position } = item;
  const strict = item["strict"] === true;
  return {
    name: field(item, "name"),
    level: text(item["level"]),
    strict,
    token: strict && item["token"] === undefined ? null : parseToken(field(item, "token")),
    position: isPosition(position) ? { offset: position.offset, epoch: position.epoch } : null,
  };
}

function isPosition(value: unknown): value is StreamPosition {
  return isObject(value) && typeof value["offset"] === "number" && typeof value["epoch"] === "string";
}

function list(raw: JsonObject, key: string): JsonObject[] {
  const value = raw[key] ?? [];
  if (!Array.isArray(value) || !value.every(isObject)) throw new InstantError(`the answer's "${key}" is not a list of objects`);
  return value;
}

function field(raw: JsonObject, key: string): string {
  const value = raw[key];
  if (typeof value !== "string" || value === "") throw new InstantError(`the answer has no "${key}"`);
  return value;
}

/**
 * Milliseconds. A token is no longer used if it is valid for less than this time. 1 second of it is for `iat`, which is
 * rounded to seconds.
 */
const margin = ({ lifetime }: Token): number => Math.min(5000, 1000 + lifetime / 10, lifetime / 2);

class HeldToken {
  constructor(
    readonly token: Token,
    private readonly since: number,
  ) {}

  isValid(now: number): boolean {
    return now >= this.since && now < this.since + this.token.lifetime - margin(this.token);
  }
}

/** The tokens of one user. Only the methods `latest…` return expired tokens. */
export class Tokens {
  private ofConnection: HeldToken | null = null;
  private readonly byChannel = new Map<string, HeldToken>();
  /** The channels whose tokens are bound to one connection. */
  private readonly strict = new Set<string>();

  /** Store the tokens of an answer. `since` is the time of the request, in milliseconds since the epoch. */
  keep(credentials: Credentials, since: number): void {
    this.ofConnection = new HeldToken(credentials.connection, since);
    for (const { name, token, strict } of credentials.channels) {
      if (strict) this.strict.add(name);
      if (token !== null) this.byChannel.set(name, new HeldToken(token, since));
    }
  }

  get connection(): string | null {
    return valid(this.ofConnection);
  }

  channel(name: string): string | null {
    return valid(this.byChannel.get(name));
  }

  /** The connection token, even if it has expired. */
  get latestConnection(): string | null {
    return this.ofConnection?.token.value ?? null;
  }

  /** The channel's token, even if it has expired. */
  latestChannel(name: string): string | null {
    return this.byChannel.get(name)?.token.value ?? null;
  }

  dropConnection(): void {
    this.ofConnection = null;
  }

  dropChannel(name: string): void {
    this.byChannel.delete(name);
  }

  /** Drop the tokens that are bound to one connection. */
  dropStrict(): void {
    for (const name of this.strict) this.byChannel.delete(name);
    this.strict.clear();
  }

  dropChannels(): void {
    this.byChannel.clear();
  }

  clear(): void {
    this.ofConnection = null;
    this.byChannel.clear();
  }
}

function valid(held: HeldToken | null | undefined): string | null {
  return held?.isValid(Date.now()) ? held.token.value : null;
}
