/** Presence: the users in a channel (`instant.presence()`), and the events when users join and leave. */

import type { Centrifuge, ClientInfo } from "centrifuge";
import { CALLED, NOT_AVAILABLE, PERMISSION_DENIED } from "./codes.js";
import { ConnectionClosed, InstantError } from "./errors.js";
import type { JsonValue } from "./json.js";
import { NAMESPACE_BOUNDARY, PRIVATE_PREFIX } from "./protocol.js";
import { channelOnServer, infoInSite } from "./tenants.js";

/** A user in a channel. */
export interface Person {
  /** The user's id in Centrifugo; "" for a visitor. Each connection of a visitor counts as a separate person. */
  readonly user: string;
  /** The info that the channel's rule in Python returned for the subscription. */
  readonly info: JsonValue;
  /** The number of the user's connections in the channel. */
  readonly clients: number;
}

/** One connection of a user joined or left a channel. */
export interface PresenceEvent {
  readonly channel: string;
  readonly user: string;
  readonly info: JsonValue;
}

/** The session, as `presence` uses it. */
export interface PresenceOwner {
  readonly client: Centrifuge | null;
  readonly account: { readonly user: string | null; readonly tenant: string };
}

/**
 * Return the users in a channel that this client has joined. Rejects with `ConnectionClosed` if there is no connection,
 * and with `InstantError` if the server refuses.
 */
export async function presence({ client, account }: PresenceOwner, channel: string): Promise<Person[]> {
  if (client === null) throw new ConnectionClosed(CALLED, `connect before you request the presence of ${channel}`);
  const { tenant } = account;
  try {
    const { clients } = await client.presence(channelOnServer(channel, tenant));
    return people(Object.values(clients).map((info) => infoInSite(info, tenant)));
  } catch (error) {
    throw presenceError(error as { code?: number; message?: string }, client, channel, account);
  }
}

/** Return each user once, sorted by id, as `presence()` in Python does. */
export function people(clients: readonly ClientInfo[]): Person[] {
  const found = new Map<string, Person>();
  for (const info of [...clients].sort(by(({ client }) => client))) {
    const key = JSON.stringify([info.user, info.user === "" ? info.client : ""]);
    const { clients: before = 0, info: known = null } = found.get(key) ?? {};
    found.set(key, { user: info.user, info: known ?? channelInfo(info), clients: before + 1 });
  }
  return [...found.values()].sort(by(({ user }) => user));
}

export function toPresenceEvent(channel: string, info: ClientInfo): PresenceEvent {
  return { channel, user: info.user, info: channelInfo(info) };
}

/** Return the info of the subscription. `connInfo` is not exposed: Django uses it to bind connections to sessions. */
function channelInfo({ chanInfo }: ClientInfo): JsonValue {
  return (chanInfo as JsonValue | undefined) ?? null;
}

function by<Item>(key: (item: Item) => string): (one: Item, other: Item) => number {
  return (one, other) => (key(one) < key(other) ? -1 : Number(key(one) > key(other)));
}

/** Return an error whose message says what the site or the page must do so that the request is allowed. */
function presenceError(
  error: { code?: number; message?: string },
  client: Centrifuge,
  channel: string,
  { user, tenant }: PresenceOwner["account"],
): InstantError {
  if (error.code === NOT_AVAILABLE) return refusal(channel, "has no presence", "presence", error);
  if (error.code !== PERMISSION_DENIED) {
    return new InstantError(`presence of ${channel}: ${error.message ?? "unknown error"} (${error.code ?? 0})`, error);
  }
  if (client.getSubscription(channelOnServer(channel, tenant))?.state !== "subscribed") {
    return new InstantError(`join ${channel} before you request its presence`, error);
  }
  const option = user === "" ? "allow_presence_for_anonymous" : "allow_presence_for_subscriber";
  return refusal(channel, "does not allow clients to request presence", option, error);
}

function refusal(channel: string, what: string, option: string, cause: unknown): InstantError {
  const [start = "", ...rest] = channel.split(NAMESPACE_BOUNDARY);
  const namespace = rest.length === 0 ? "" : start.slice(start.startsWith(PRIVATE_PREFIX) ? PRIVATE_PREFIX.length : 0);
  const setting = `INSTANT_NAMESPACES = {"${namespace}": {"${option}": True}}`;
  return new InstantError(`the namespace of ${channel} ${what}: set ${setting}, then restart runws`, cause);
}
