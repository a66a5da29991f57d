import { CREDENTIALS_ID, PAGE_ID } from "../protocol.js";
import { isObject, type JsonObject } from "../message.js";

/** What Django says of a page, in two JSON elements that stand before the script. */
export interface Facts {
  /** What is missing, in words for the console. */
  readonly problems: readonly string[];
  /** Whether the page itself is described: without that nothing is connected. */
  readonly known: boolean;
  readonly prefix: string | undefined;
  readonly path: string | undefined;
  /** The user of the page as the server knows them, "" for a visitor; null for who may not connect. */
  readonly user: string | null;
  readonly debug: boolean;
  /** Milliseconds in which calls are answered, where the site has other ideas of it than the SDK. */
  readonly timeout: number | undefined;
  readonly authUrl: string | null;
  /** An answer of get_token; undefined where it must be asked for. */
  readonly credentials: unknown;
  /** Channels of `{% instant_stream %}` that Django did not let the user of these credentials join. */
  readonly refused: ReadonlySet<string>;
}

const HELP = "is it rendered by {% instant_client %}, before page.js?";

export function readFacts(): Facts {
  const problems: string[] = [];
  const page = json(PAGE_ID, problems);
  const credentials = json(CREDENTIALS_ID, problems);
  const facts: JsonObject = isObject(page) ? page : {};
  const user = text(facts["user"]) ?? null;
  return {
    problems,
    known: isObject(page),
    prefix: text(facts["prefix"]),
    path: text(facts["path"]),
    user: credentials === null ? null : user,
    debug: facts["debug"] === true,
    timeout: typeof facts["timeout"] === "number" ? facts["timeout"] : undefined,
    authUrl: text(facts["auth_url"]) ?? null,
    credentials: isObject(credentials) && Object.keys(credentials).length > 0 ? credentials : undefined,
    refused: new Set(refusedOf(credentials)),
  };
}

/** Return what an element holds; undefined, and a problem, where it holds no JSON. */
function json(id: string, problems: string[]): unknown {
  const element = document.getElementById(id);
  try {
    if (element !== null) return JSON.parse(element.textContent ?? "") as unknown;
    problems.push(`the page has no element #${id}: ${HELP}`);
  } catch {
    // The original error would quote what may hold tokens.
    problems.push(`the element #${id} holds no JSON: ${HELP}`);
  }
  return undefined;
}

function refusedOf(credentials: unknown): string[] {
  const refused = isObject(credentials) ? credentials["refused"] : undefined;
  return Array.isArray(refused) ? refused.flatMap((item) => (isObject(item) ? (text(item["name"]) ?? []) : [])) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
