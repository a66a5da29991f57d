/** Names on a Centrifugo server that several sites or tenants share, as in `instant.channels.tenants` in Python. */

import { NAMESPACE_BOUNDARY, PRIVATE_PREFIX, TENANT_BOUNDARY } from "./protocol.js";

/**
 * Return the channel's name on the server: "$ns:rest" → "$ns:acme/rest", "$users" → "$acme/users". If the tenant is "",
 * the name does not change.
 */
export function channelOnServer(name: string, tenant: string): string {
  if (tenant === "") return name;
  const prefix = name.startsWith(PRIVATE_PREFIX) ? PRIVATE_PREFIX : "";
  const start = Math.max(prefix.length, name.indexOf(NAMESPACE_BOUNDARY) + 1);
  return name.slice(0, start) + tenant + TENANT_BOUNDARY + name.slice(start);
}

/** Return the user's id without the tenant, as Django knows it: "acme/5" → "5". */
export function userInSite(user: string, tenant: string): string {
  const start = tenant + TENANT_BOUNDARY;
  return tenant !== "" && user.startsWith(start) ? user.slice(start.length) : user;
}

/** Return the server's info about a client, with the user's id as Django knows it. */
export function infoInSite<Info extends { readonly user: string }>(info: Info, tenant: string): Info {
  return { ...info, user: userInSite(info.user, tenant) };
}
