/** HTTP requests to Django: login, get_token and logout. */

import { InstantError, RequestFailed, UnauthorizedError } from "./errors.js";
import { isObject } from "./json.js";
import { DEFAULT_PREFIX, type Options } from "./options.js";
import { type Credentials, parseCredentials } from "./credentials.js";

/** Milliseconds after which an unanswered request fails. */
const TIMEOUT = 20_000;

/** The views of `instant.urls`. Each method rejects with `RequestFailed`; a 401 or 403 is an `UnauthorizedError`. */
export class DjangoApi {
  csrfToken = "";
  /** The page's window. Django returns tokens of the window's channels only for requests that contain it. */
  window: string | null = null;
  /** The id of the connection; "" while there is none. Tokens of strict channels are bound to it. */
  client = "";
  /** Whether Django has refused the page's window. The account sets it back to false. */
  windowHasEnded = false;
  private readonly base: string;
  /** The request body for all channels of the user. It contains the page's path if that is known. */
  private readonly all: { readonly path?: string };
  private readonly fetch: typeof fetch;

  constructor(options: Options) {
    const prefix = (options.prefix ?? DEFAULT_PREFIX).replace(/^\/|\/$/g, "");
    this.base = `${(options.backendUrl ?? "").replace(/\/$/, "")}/${prefix === "" ? "" : `${prefix}/`}`;
    this.all = options.path === undefined ? {} : { path: options.path };
    this.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  login(username: string, password: string): Promise<Credentials> {
    return this.credentials("login/", { username, password, ...this.all });
  }

  /** Request the tokens of these channels; with null, of all the user's channels. */
  getToken(channels: readonly string[] | null, signal: AbortSignal): Promise<Credentials> {
    const body = {
      ...(channels === null ? this.all : { channels }),
      ...(this.window === null ? {} : { window: this.window }),
      ...(this.client === "" ? {} : { client: this.client }),
    };
    return this.credentials("get_token/", body, signal);
  }

  async logout(): Promise<void> {
    await this.post("logout/", {});
    this.csrfToken = "";
  }

  /** Store the parts of an answer that later requests need. */
  note({ csrfToken, window }: Credentials): void {
    this.csrfToken = csrfToken || this.csrfToken;
    if (window === undefined) return;
    this.windowHasEnded ||= this.window !== null && window === null;
    this.window = window;
  }

  private async credentials(path: string, body: unknown, signal?: AbortSignal): Promise<Credentials> {
    const answer = await this.post(path, body, signal);
    try {
      const credentials = parseCredentials(JSON.parse(answer));
      this.note(credentials);
      return credentials;
    } catch (error) {
      const reason = error instanceof InstantError ? error.message : "the answer is not JSON";
      throw new RequestFailed(path, 200, "invalid_answer", reason);
    }
  }

  private async post(path: string, body: unknown, signal?: AbortSignal): Promise<string> {
    const abort = new AbortController();
    const stop = (): void => abort.abort();
    const timer = setTimeout(stop, TIMEOUT);
    signal?.addEventListener("abort", stop);
    try {
      const response = await this.fetch(this.base + path, this.request(body, abort.signal));
      if (!response.ok) throw await refusal(path, response);
      return await response.text();
    } catch (error) {
      if (error instanceof RequestFailed) throw error;
      throw new RequestFailed(path, 0, "network", error instanceof Error ? error.message : "", error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
  }

  private request(body: unknown, signal: AbortSignal): RequestInit {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (this.csrfToken !== "") headers["X-CSRFToken"] = this.csrfToken;
    return { method: "POST", credentials: "include", headers, body: JSON.stringify(body), signal };
  }
}

async function refusal(path: string, response: Response): Promise<RequestFailed> {
  const { error, reason } = await details(response);
  const Kind = response.status === 401 || response.status === 403 ? UnauthorizedError : RequestFailed;
  return new Kind(path, response.status, error, reason);
}

async function details(response: Response): Promise<{ error: string; reason: string }> {
  const body: unknown = await response.json().catch(() => null);
  const { error, reason } = isObject(body) ? body : {};
  return {
    error: typeof error === "string" ? error : "http",
    reason: typeof reason === "string" ? reason : response.statusText,
  };
}
