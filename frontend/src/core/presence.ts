/** Presence: who is in a channel (`instant.presence()`), and who joins and leaves it. */

import type { Centrifuge, ClientInfo } from "centrifuge";
import { CALLED, NOT_AVAILABLE, PERMISSION_DENIED } from "./codes.js";
import { ConnectionClosed, InstantError } from "./errors.js";
import type { JsonValue } from "./json.js";
import { NAMESPACE_BOUNDARY, PRIVATE_PREFIX } from "./protocol.js";
import { channelOnServer, infoInSite } from "./tenants.js";

/** A user who is in a channel. */
export interface Person {
  /** The user's id in Centrifugo; "" for a visitor. Each client of a visitor counts as a person. */
  readonly user: string;
  /** The info that Django's rule returned for the subscription. */
  readonly info: JsonValue;
  /** How many connections the user has in the channel. */
  readonly clients: number;
}

/** One connection of a user joined or left a channel. */
export interface PresenceEvent {
  readonly channel: string;
  readonly user: string;
  readonly info: JsonValue;
}

/** What is needed of a session to ask who is in a channel. */
export interface PresenceOwner {
  readonly client: Centrifuge | null;
  readonly account: { readonly user: string | null; readonly tenant: string };
}

/** Ask the server who is in a channel that this client has joined. */
export async function presence({ client, account }: PresenceOwner, channel: string): Promise<Person[]> {
  if (client === null) throw new ConnectionClosed(CALLED, `connect before asking who is in ${channel}`);
  const { tenant } = account;
  try {
    const { clients } = await client.presence(channelOnServer(channel, tenant));
    return people(Object.values(clients).map((info) => infoInSite(info, tenant)));
  } catch (error) {
    throw explained(error as { code?: number; message?: string }, client, channel, account);
  }
}

/** Return each user once, sorted by id, as `presence()` in Python does. */
export function people(clients: readonly ClientInfo[]): Person[] {
  const found = new Map<string, Person>();
  for (const info of [...clients].sort(by(({ client }) => client))) {
    const key = JSON.stringify([info.user, info.user === "" ? info.client : ""]);
    const { clients: before = 0, info: known = null } = found.get(key) ?? {};
    found.set(key, { user: info.user, info: known ?? about(info), clients: before + 1 });
  }
  return [...found.values()].sort(by(({ user }) => user));
}

export function toPresenceEvent(channel: string, info: ClientInfo): PresenceEvent {
  return { channel, user: info.user, info: about(info) };
}

/** `connInfo` is left out: Django binds the connection to its session with it. */
function about({ chanInfo }: ClientInfo): JsonValue {
  return (chanInfo as JsonValue | undefined) ?? null;
}

function by<Item>(key: (item: Item) => string): (one: Item, other: Item) => number {
  return (one, other) => (key(one) < key(other) ? -1 : Number(key(one) > key(other)));
}

function explained(
  error: { code?: number; message?: string },
  client: Centrifuge,
  channel: string,
  { user, tenant }: PresenceOwner["account"],
): InstantError {
  if (error.code === NOT_AVAILABLE) return refusal(channel, "keeps no presence", "presence", error);
  if (error.code !== PERMISSION_DENIED) {
    return new InstantError(`who is in ${channel}: ${error.message ?? "unknown error"} (${error.code ?? 0})`, error);
  }
  if (client.getSubscription(channelOnServer(channel, tenant))?.state !== "subscribed") {
    return new InstantError(`join ${channel} before asking who is there`, error);
  }
  const option = user === "" ? "allow_presence_for_anonymous" : "allow_presence_for_subscriber";
  return refusal(channel, "does not tell clients who is there", option, error);
}

function refusal(channel: string, what: string, option: string, cause: unknown): InstantError {
  const [start = "", ...rest] = channel.split(NAMESPACE_BOUNDARY);
  const namespace = rest.length === 0 ? "" : start.slice(start.startsWith(PRIVATE_PREFIX) ? PRIVATE_PREFIX.length : 0);
  const setting = `INSTANT_NAMESPACES = {"${namespace}": {"${option}": True}}`;
  return new InstantError(`the namespace of ${channel} ${what}: set ${setting}, and start runws again`, cause);
}
