/** The data that Django renders into a page for this script: two elements with JSON, before the script. */

import { isObject, type JsonObject } from "../core/json.js";
import { CREDENTIALS_ID, PAGE_ID } from "../core/protocol.js";

export interface PageData {
  /** Error messages for the console. */
  readonly problems: readonly string[];
  /** Whether the page has the element with the page's data. Without it, the page does not connect. */
  readonly known: boolean;
  readonly prefix: string | undefined;
  readonly path: string | undefined;
  /** The user's id in Centrifugo, "" for a visitor, null for a user who may not connect. */
  readonly user: string | null;
  readonly debug: boolean;
  /** Milliseconds to wait for an answer of the server; undefined for the SDK's default. */
  readonly timeout: number | undefined;
  readonly authUrl: string | null;
  /** An answer of get_token; undefined if it must be requested. */
  readonly credentials: unknown;
  /** Channels of `{% instant_stream %}` that the user of these credentials may not join. */
  readonly refused: ReadonlySet<string>;
}

const HELP = "render it with {% instant_client %}, before page.js";

export function readPageData(): PageData {
  const problems: string[] = [];
  const page = json(PAGE_ID, problems);
  const credentials = json(CREDENTIALS_ID, problems);
  const data: JsonObject = isObject(page) ? page : {};
  const user = textOrUndefined(data["user"]) ?? null;
  return {
    problems,
    known: isObject(page),
    prefix: textOrUndefined(data["prefix"]),
    path: textOrUndefined(data["path"]),
    user: credentials === null ? null : user,
    debug: data["debug"] === true,
    timeout: typeof data["timeout"] === "number" ? data["timeout"] : undefined,
    authUrl: textOrUndefined(data["auth_url"]) ?? null,
    credentials: isObject(credentials) && Object.keys(credentials).length > 0 ? credentials : undefined,
    refused: new Set(refusedOf(credentials)),
  };
}

/** Return the JSON of an element. If the element is missing or invalid, add a problem and return undefined. */
function json(id: string, problems: string[]): unknown {
  const element = document.getElementById(id);
  try {
    if (element !== null) return JSON.parse(element.textContent ?? "") as unknown;
    problems.push(`the page has no element #${id}: ${HELP}`);
  } catch {
    // The original error would contain the text, which may contain tokens.
    problems.push(`the element #${id} does not contain valid JSON: ${HELP}`);
  }
  return undefined;
}

function refusedOf(credentials: unknown): string[] {
  const refused = isObject(credentials) ? credentials["refused"] : undefined;
  return Array.isArray(refused) ? refused.flatMap((item) => (isObject(item) ? (textOrUndefined(item["name"]) ?? []) : [])) : [];
}

function textOrUndefined(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
