/** The user as Django knows them, and their tokens. */

import { DjangoApi } from "./djangoApi.js";
import { ChannelRefused, ConfigurationError, UnauthorizedError } from "./errors.js";
import { MAX_RECONNECT_DELAY, MIN_RECONNECT_DELAY, type Options, serverAddress } from "./options.js";
import { TokenRenewal, type TokenRenewalOwner } from "./tokenRequests.js";
import { type Credentials, parseCredentials, Tokens, withoutStrictTokens } from "./credentials.js";

/** What an account reports to its session. */
export interface AccountOwner {
  /** Django's answer to a request for the channels `names`, null for all. `isOther`: the user is not the previous one. */
  credentialsReceived(credentials: Credentials, names: readonly string[] | null, isOther: boolean): void;
  /** Django no longer accepts the page's window, and the user is the same. */
  rightsChanged(): void;
  failed(error: unknown): void;
  debug(text: string): void;
}

/** The user and their tokens, which are requested when they are needed. */
export class Account implements TokenRenewalOwner {
  /** The `sub` of the tokens, without a tenant; "" for a visitor who is not logged in, null while unknown. */
  user: string | null = null;
  /** The site's tenant on the server, "" for none. */
  tenant = "";
  readonly tokens = new Tokens();
  /** The user of the channels that the page has; unlike `user` it is kept when Django refuses. */
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
    // Logging in starts another session; the window belongs to the one in which its page was rendered.
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

  /** Note the id of the connection, "" for none. Tokens that join on the previous connection only are dropped. */
  connectedAs(client: string): void {
    if (this.django.client === client) return;
    this.django.client = client;
    this.tokens.dropStrict();
  }

  /** Forget the user. The page may still have the user's channels. */
  forget(): void {
    this.tokens.clear();
    this.user = null;
    this.hasAllChannels = false;
  }

  /** Cancel the request under way. */
  cancelRequest(): void {
    this.renewal.cancel();
  }

  /** Have all channels requested again if the connection token has expired. */
  forgetChannelsIfExpired(): void {
    if (this.tokens.connection === null) this.hasAllChannels = false;
  }

  /** Request the tokens of all channels, unless that was done. */
  async requestAllChannels(): Promise<void> {
    if (!this.hasAllChannels) await this.renewal.ask(null);
  }

  /** Get a valid connection token and valid tokens of these channels, with one request or none. */
  async renew(names: readonly string[]): Promise<void> {
    const expired = names.filter((name) => this.tokens.channel(name) === null);
    if (expired.length > 0 || this.tokens.connection === null) await this.renewal.ask(expired);
  }

  async channelToken(name: string): Promise<string> {
    const valid = this.tokens.channel(name);
    if (valid !== null) return valid;
    await this.renewal.ask([name]);
    const token = this.tokens.latestChannel(name);
    if (token === null) throw new ChannelRefused(name, "no token");
    return token;
  }

  get csrfToken(): string {
    return this.django.csrfToken;
  }

  /** Ask Django who is logged in now: a user, "" for a visitor, null for nobody. The answer's tokens are not kept. */
  async currentUser(): Promise<string | null> {
    try {
      return (await this.django.getToken([], new AbortController().signal)).connection.user;
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
      // thrown below
    }
    throw new ConfigurationError(`where is the server? Django's answer or \`websocketUrl\` must say it, not "${url}"`);
  }

  // What the renewal needs

  async request(names: readonly string[] | null, signal: AbortSignal): Promise<Credentials> {
    this.owner.debug(`asking Django for tokens of ${names === null ? "all" : names.length} channels`);
    const { client } = this.django;
    const credentials = await this.django.getToken(names, signal);
    // Another connection has begun meanwhile.
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
      // Django rendered them with the page, so they are as old as the page.
      this.keep(credentials, null, typeof document === "undefined" ? Date.now() : performance.timeOrigin);
    } catch (error) {
      throw new ConfigurationError(`credentials: ${(error as Error).message}`);
    }
  }

  /** Logging out needs a CSRF token, which is in every answer of Django. */
  private async isLoggedIn(): Promise<boolean> {
    return this.django.csrfToken !== "" || (await this.currentUser()) !== null;
  }
}
