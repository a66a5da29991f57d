/** Names on a Centrifugo server that several sites or tenants share; the same as `instant.channels.tenants` in Python. */

import { NAMESPACE_BOUNDARY, PRIVATE_PREFIX, TENANT_BOUNDARY } from "./protocol.js";

/** Return the channel's name on the server: "$ns:rest" → "$ns:acme/rest", "$users" → "$acme/users". "" is no tenant. */
export function channelOnServer(name: string, tenant: string): string {
  if (tenant === "") return name;
  const prefix = name.startsWith(PRIVATE_PREFIX) ? PRIVATE_PREFIX : "";
  const start = Math.max(prefix.length, name.indexOf(NAMESPACE_BOUNDARY) + 1);
  return name.slice(0, start) + tenant + TENANT_BOUNDARY + name.slice(start);
}

/** Return the user's id as Django has it: "acme/5" → "5". */
export function userInSite(user: string, tenant: string): string {
  const start = tenant + TENANT_BOUNDARY;
  return tenant !== "" && user.startsWith(start) ? user.slice(start.length) : user;
}

/** Return what the server says of a client, with the user's id as Django has it. */
export function infoInSite<Info extends { readonly user: string }>(info: Info, tenant: string): Info {
  return { ...info, user: userInSite(info.user, tenant) };
}
