/** The user of the page, and the tokens that Django issues for them. */

import { DjangoApi } from "./djangoApi.js";
import { ChannelRefused, ConfigurationError, UnauthorizedError } from "./errors.js";
import { MAX_RECONNECT_DELAY, MIN_RECONNECT_DELAY, type Options, serverAddress } from "./options.js";
import { TokenRenewal, type TokenRenewalOwner } from "./tokenRequests.js";
import { type Credentials, parseCredentials, Tokens, withoutStrictTokens } from "./credentials.js";

/** The callbacks by which an account reports to its session. */
export interface AccountOwner {
  /**
   * Django answered a request for the channels `names`, or for all channels if it is null. `isOther` says whether the
   * user has changed.
   */
  credentialsReceived(credentials: Credentials, names: readonly string[] | null, isOther: boolean): void;
  /** Django no longer accepts the page's window, although the user is the same. */
  rightsChanged(): void;
  failed(error: unknown): void;
  debug(text: string): void;
}

/** The user and their tokens. Tokens are requested when they are needed. */
export class Account implements TokenRenewalOwner {
  /** The `sub` of the tokens, without a tenant; "" for a visitor who is not logged in, null while unknown. */
  user: string | null = null;
  /** The site's tenant on the server, "" for none. */
  tenant = "";
  readonly tokens = new Tokens();
  /** The user to whom the page's channels belong. Unlike `user`, it is kept when Django refuses a request. */
  private lastUser: string | null = null;
  private websocketUrl = "";
  /** Whether Django has listed all the user's channels. */
  private hasAllChannels = false;
  private readonly django: DjangoApi;
  private readonly renewal = new TokenRenewal(this, this.tokens);

  constructor(
    private readonly owner: AccountOwner,
    private readonly options: Options,
  ) {
    this.django = new DjangoApi(options);
    if (options.credentials !== undefined) this.preset(options.credentials);
  }

  async login(username: string, password: string): Promise<void> {
    const since = Date.now();
    const credentials = await this.django.login(username, password);
    this.renewal.cancel();
    // Logging in starts a new Django session, but the window belongs to the session that rendered the page.
    this.django.window = null;
    this.keep(credentials, null, since);
  }

  async logout(): Promise<void> {
    this.renewal.cancel();
    this.forget();
    this.lastUser = this.django.window = null;
    this.django.windowHasEnded = false;
    if (await this.isLoggedIn()) await this.django.logout();
  }

  /** Store the id of the connection, "" for none. Tokens that are bound to the previous connection are dropped. */
  connectedAs(client: string): void {
    if (this.django.client === client) return;
    this.django.client = client;
    this.tokens.dropStrict();
  }

  /** Forget the user and the tokens. The page may still have the user's channels. */
  forget(): void {
    this.tokens.clear();
    this.user = null;
    this.hasAllChannels = false;
  }

  /** Cancel the pending request for tokens. */
  cancelRequest(): void {
    this.renewal.cancel();
  }

  /** Request all channels again before the next connection if the connection token has expired. */
  forgetChannelsIfExpired(): void {
    if (this.tokens.connection === null) this.hasAllChannels = false;
  }

  /** Request the tokens of all channels, unless Django has already listed them. */
  async requestAllChannels(): Promise<void> {
    if (!this.hasAllChannels) await this.renewal.ask(null);
  }

  /** Renew the connection token and the tokens of these channels if any has expired, with at most one request. */
  async renew(names: readonly string[]): Promise<void> {
    const expired = names.filter((name) => this.tokens.channel(name) === null);
    if (expired.length > 0 || this.tokens.connection === null) await this.renewal.ask(expired);
  }

  /** Return a token of the channel: a valid one if there is one, else a new one. Rejects with `ChannelRefused`. */
  async channelToken(name: string): Promise<string> {
    const valid = this.tokens.channel(name);
    if (valid !== null) return valid;
    await this.renewal.ask([name]);
    const token = this.tokens.latestChannel(name);
    if (token === null) throw new ChannelRefused(name, "Django returned no token for it");
    return token;
  }

  get csrfToken(): string {
    return this.django.csrfToken;
  }

  /**
   * Ask Django for the current user: an id, "" for a visitor, or null if Django answers 401 or 403. The tokens of the
   * answer are not stored.
   */
  async currentUser(): Promise<string | null> {
    try {
      return (await this.django.getToken([], new AbortController().signal)).connection.user;
    } catch (error) {
      if (error instanceof UnauthorizedError) return null;
      throw error;
    }
  }

  /** Return the address of the server. Throws `ConfigurationError` if it is missing or not a URL. */
  serverAddress(): string {
    const url = this.options.websocketUrl ?? this.websocketUrl;
    try {
      if (url !== "") return serverAddress(url);
    } catch {
      // thrown below
    }
    throw new ConfigurationError(`"${url}" is not the URL of a server: set the option \`websocketUrl\`, or INSTANT_WEBSOCKET_URL in Django`);
  }

  // TokenRenewalOwner

  async request(names: readonly string[] | null, signal: AbortSignal): Promise<Credentials> {
    this.owner.debug(`requesting tokens from Django for ${names === null ? "all" : names.length} channels`);
    const { client } = this.django;
    const credentials = await this.django.getToken(names, signal);
    // A new connection may have started during the request. Strict tokens are bound to the previous one.
    return client === this.django.client ? credentials : withoutStrictTokens(credentials);
  }

  keep(credentials: Credentials, names: readonly string[] | null, since: number): void {
    const { user, tenant } = credentials.connection;
    const isOther = this.lastUser !== null && this.lastUser !== user;
    if (isOther) this.forget();
    this.user = this.lastUser = user;
    this.tenant = tenant;
    this.websocketUrl = credentials.websocketUrl || this.websocketUrl;
    this.tokens.keep(credentials, since);
    if (names === null) this.hasAllChannels = true;
    const hasEnded = this.django.windowHasEnded;
    this.django.windowHasEnded = false;
    this.owner.credentialsReceived(credentials, names, isOther);
    if (hasEnded && !isOther) this.owner.rightsChanged();
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
      this.django.note(credentials);
      // Django rendered the tokens into the page, so they are as old as the page.
      this.keep(credentials, null, typeof document === "undefined" ? Date.now() : performance.timeOrigin);
    } catch (error) {
      throw new ConfigurationError(`credentials: ${(error as Error).message}`);
    }
  }

  /** Return whether a user is logged in. Each answer also contains the CSRF token that logging out needs. */
  private async isLoggedIn(): Promise<boolean> {
    return this.django.csrfToken !== "" || (await this.currentUser()) !== null;
  }
}
