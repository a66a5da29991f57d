import { ChannelRefused, ConfigurationError, UnauthorizedError } from "./errors.js";
import { Backend } from "./http.js";
import { MAX_RECONNECT_DELAY, MIN_RECONNECT_DELAY, type Options, serverAddress } from "./options.js";
import { Renewal, type RenewalOwner } from "./renewal.js";
import { type Credentials, parseCredentials, Tokens } from "./tokens.js";

/** What an account tells its session. */
export interface AccountOwner {
  /** An answer was kept; `names` are those it was asked for, null for all. `isOther`: it is of another user. */
  adopted(credentials: Credentials, names: readonly string[] | null, isOther: boolean): void;
  failed(error: unknown): void;
  debug(text: string): void;
}

/** The user as Django knows them: who it is, and the tokens, asked for when they are needed. */
export class Account implements RenewalOwner {
  /** The `sub` of the tokens, "" for a visitor who is not logged in; null while unknown. */
  user: string | null = null;
  readonly tokens = new Tokens();
  /** The user before, whose channels the page still has; unlike `user` it outlives a refusal. */
  private tenant: string | null = null;
  private websocketUrl = "";
  /** Whether Django told of all the user's channels. */
  private complete = false;
  private readonly backend: Backend;
  private readonly renewal = new Renewal(this, this.tokens);

  constructor(
    private readonly owner: AccountOwner,
    private readonly options: Options,
  ) {
    this.backend = new Backend(options);
    if (options.credentials !== undefined) this.preset(options.credentials);
  }

  async login(username: string, password: string): Promise<void> {
    const since = Date.now();
    const credentials = await this.backend.login(username, password);
    this.renewal.cancel();
    // Logging in begins another session, and a window is of the one in which its page was made.
    this.backend.window = null;
    this.adopt(credentials, null, since);
  }

  async logout(): Promise<void> {
    this.renewal.cancel();
    this.forget();
    this.tenant = this.backend.window = null;
    if (await this.isLoggedIn()) await this.backend.logout();
  }

  /** Forget who it is; the page's channels may still be theirs. */
  forget(): void {
    this.tokens.clear();
    this.user = null;
    this.complete = false;
  }

  /** Give up the request under way. */
  rest(): void {
    this.renewal.cancel();
  }

  /** Ask for all channels again where nothing is good any more. */
  refreshIfStale(): void {
    if (this.tokens.connection === null) this.complete = false;
  }

  /** Ask for the tokens of all channels, unless that was done. */
  async load(): Promise<void> {
    if (!this.complete) await this.renewal.ask(null);
  }

  /** Have a good connection token and good tokens of these channels: one request, or none. */
  async renew(names: readonly string[]): Promise<void> {
    const stale = names.filter((name) => this.tokens.channel(name) === null);
    if (stale.length > 0 || this.tokens.connection === null) await this.renewal.ask(stale);
  }

  async channelToken(name: string): Promise<string> {
    const good = this.tokens.channel(name);
    if (good !== null) return good;
    await this.renewal.ask([name]);
    const token = this.tokens.latestChannel(name);
    if (token === null) throw new ChannelRefused(name, "no token");
    return token;
  }

  get csrfToken(): string {
    return this.backend.csrfToken;
  }

  /** Ask Django whose session this is by now: a user, "" for a visitor, null for nobody. The answer is not adopted. */
  async whoIs(): Promise<string | null> {
    try {
      return (await this.backend.getToken([], new AbortController().signal)).connection.user;
    } catch (error) {
      if (error instanceof UnauthorizedError) return null;
      throw error;
    }
  }

  serverAddress(): string {
    const url = this.options.websocketUrl ?? this.websocketUrl;
    try {
      if (url !== "") return serverAddress(url);
    } catch {
      // told below
    }
    throw new ConfigurationError(`where is the server? Django's answer or \`websocketUrl\` must say it, not "${url}"`);
  }

  // What the renewal asks and tells

  request(names: readonly string[] | null, signal: AbortSignal): Promise<Credentials> {
    this.owner.debug(`asking Django for tokens of ${names === null ? "all" : names.length} channels`);
    return this.backend.getToken(names, signal);
  }

  adopt(credentials: Credentials, names: readonly string[] | null, since: number): void {
    const { user } = credentials.connection;
    const isOther = this.tenant !== null && this.tenant !== user;
    if (isOther) this.forget();
    this.user = this.tenant = user;
    this.websocketUrl = credentials.websocketUrl || this.websocketUrl;
    this.tokens.keep(credentials, since);
    if (names === null) this.complete = true;
    this.owner.adopted(credentials, names, isOther);
  }

  failed(error: unknown): void {
    this.owner.failed(error);
  }

  delay(failures: number): number {
    const { minReconnectDelay: min = MIN_RECONNECT_DELAY, maxReconnectDelay: max = MAX_RECONNECT_DELAY } = this.options;
    return failures === 0 ? 0 : Math.min(max, min * 2 ** (failures - 1));
  }

  private preset(raw: unknown): void {
    try {
      const credentials = parseCredentials(raw);
      this.backend.note(credentials);
      // On a page they are as old as the page.
      this.adopt(credentials, null, typeof document === "undefined" ? Date.now() : performance.timeOrigin);
    } catch (error) {
      throw new ConfigurationError(`credentials: ${(error as Error).message}`);
    }
  }

  /** Logging out takes a CSRF token, which comes with any answer. */
  private async isLoggedIn(): Promise<boolean> {
    return this.backend.csrfToken !== "" || (await this.whoIs()) !== null;
  }
}
