/** The session of a page with one Django site: its user, its channels, and its connection. */

import type { Centrifuge, ConnectedContext } from "centrifuge";
import { Account, type AccountOwner } from "./account.js";
import type { ChannelOwner, ChannelSubscription } from "./channelSubscription.js";
import { Channels } from "./channels.js";
import { ClientEvents, type DisconnectEvent, type State, type SubscribeEvent, type UnsubscribeEvent } from "./clientEvents.js";
import { ClientIds, type Tags } from "./clientIds.js";
import { CALLED, CONNECTION_LIMIT, SERVER_UNSUBSCRIBED, UNAUTHORIZED } from "./codes.js";
import { Connection, type ConnectionOwner } from "./connection.js";
import { ConnectionLimit } from "./connectionLimit.js";
import { Deferred } from "./deferred.js";
import { ChannelRefused, ConfigurationError, ConnectionClosed, InstantError, RequestFailed, UnauthorizedError } from "./errors.js";
import { NextTick } from "./nextTick.js";
import { CONNECTION_LIMIT_DELAY, type Options } from "./options.js";
import { PAGE } from "./protocol.js";
import { Reconnects } from "./reconnectLimit.js";
import { addHeaderToRequests } from "./senderHeader.js";
import type { Credentials } from "./credentials.js";

export class Session implements AccountOwner, ConnectionOwner, ChannelOwner {
  readonly events: ClientEvents;
  readonly account: Account;
  readonly channels = new Channels(this);
  /** The ids of all connections that this page has had. */
  readonly clientIds = new ClientIds();
  /** Called if the user's permissions have changed since Django rendered the page, unless a listener prevents this. */
  onStale: () => void = () => undefined;
  private connection: Connection | null = null;
  /** The promise of pending `connect()` calls. */
  private connecting: Deferred | null = null;
  private joinsAll = false;
  private wasConnected = false;
  private readonly reconnects = new Reconnects();
  private readonly connectionLimit: ConnectionLimit;
  private readonly nextTick = new NextTick();
  /** The state that was last reported to the listeners. */
  private reportedState: State = "disconnected";

  constructor(private readonly options: Options) {
    this.events = new ClientEvents(options.debug ?? false);
    this.connectionLimit = new ConnectionLimit(options.connectionLimitDelay ?? CONNECTION_LIMIT_DELAY);
    this.account = new Account(this, options);
    if (options.sendersTo?.length) addHeaderToRequests(this.clientIds, options.sendersTo);
  }

  get client(): Centrifuge | null {
    return this.connection?.client ?? null;
  }

  get state(): State {
    if (this.connectionLimit.isWaiting) return "connecting";
    return this.connection === null || this.connection.isClosed ? "disconnected" : this.connection.client.state;
  }

  // Called by the page

  async login(username: string, password: string): Promise<void> {
    await this.account.login(username, password);
    this.joinNew();
  }

  async logout(): Promise<void> {
    // Close first: on logout the server closes the user's connections, and this one must not reconnect.
    const event = { code: CALLED, reason: "logout called" };
    const error = new ConnectionClosed(event.code, event.reason);
    this.end(event, error);
    this.channels.clear(error);
    await this.account.logout();
  }

  /** Return the SDK's client, and create it if needed. This does not connect. */
  open(): Centrifuge {
    if (this.connection === null) {
      this.connection = new Connection(this, this.options);
      this.account.forgetChannelsIfExpired();
    }
    return this.connection.client;
  }

  async connect(joinsAll = true): Promise<void> {
    const client = this.open();
    if (joinsAll) this.joinAll();
    if (client.state === "connected") return;
    this.connecting ??= new Deferred();
    const { promise } = this.connecting;
    if (!this.connectionLimit.isWaiting) client.connect();
    await promise;
  }

  /** Join all the user's channels, now or once the page is connected. */
  joinAll(): void {
    this.joinsAll = true;
    this.joinNew();
  }

  disconnect(): void {
    const event = { code: CALLED, reason: "disconnect called" };
    this.channels.forgetLeft();
    this.end(event, new ConnectionClosed(event.code, event.reason));
    this.account.cancelRequest();
  }

  subscribe(name: string): Promise<void> {
    const channel = this.channels.want(name);
    const joined = channel.whenJoined();
    if (this.connection === null) this.connect().catch((error: unknown) => channel.rejectWaiting(error as Error));
    else channel.join(this.connection.client);
    return joined;
  }

  unsubscribe(name: string): void {
    const channel = this.channels.get(name);
    if (channel === undefined || channel.leaving) return;
    const { isJoined } = channel;
    this.channels.leave(channel, this.client);
    if (isJoined) this.events.unsubscribed.emit({ channel: name, code: CALLED, reason: "unsubscribe called" });
  }

  // AccountOwner

  credentialsReceived(credentials: Credentials, names: readonly string[] | null, isOther: boolean): void {
    if (isOther) this.channels.changeUser(this.client);
    for (const channel of credentials.channels) this.channels.note(channel, names === null);
    this.refuse(credentials, names ?? []);
    // The connection limit is per user, so the new user's connection does not wait for it.
    const isStale = this.connection?.hasUsedToken || this.connectionLimit.isWaiting;
    if (isOther && isStale && this.connection !== null) this.replaceConnection(this.connection).connect();
  }

  rightsChanged(): void {
    this.debug("the user's permissions have changed: the page has left its topics");
    if (!this.events.reportRightsChanged()) this.onStale();
  }

  failed(error: unknown): void {
    const known = error instanceof InstantError ? error : new InstantError(String(error), error);
    const isRejected = this.connection === null || (this.connecting !== null && !this.wasConnected);
    this.events.report(known, isRejected && known instanceof RequestFailed && !known.retryable);
    if (known instanceof UnauthorizedError) {
      this.account.forget();
      this.end(this.reconnects.firstDisconnect ?? { code: UNAUTHORIZED, reason: "unauthorized" }, known);
    } else if (known instanceof RequestFailed && !known.retryable && !this.wasConnected) {
      this.end({ code: UNAUTHORIZED, reason: known.code }, known);
    }
  }

  debug(text: string): void {
    this.events.debug(text);
  }

  // ConnectionOwner

  async prepare(connection: Connection): Promise<string> {
    await this.renewAll();
    const token = this.account.tokens.latestConnection;
    if (connection.isClosed || token === null) throw new InstantError("the connection was closed before it was established");
    this.account.serverAddress();
    this.channels.attach(connection.client, (channel) => this.isWanted(channel));
    return token;
  }

  async renewedToken(connection: Connection, used: string | null): Promise<string> {
    const { tokens } = this.account;
    if (used !== null && tokens.latestConnection === used) tokens.dropConnection();
    if (connection.client.state === "connected") await this.account.renew([]);
    else await this.renewAll();
    return tokens.latestConnection ?? "";
  }

  serverAddress(): string {
    return this.account.serverAddress();
  }

  isFinal(error: unknown): boolean {
    if (error instanceof ConfigurationError) this.end({ code: UNAUTHORIZED, reason: error.message }, error);
    else if (!(error instanceof InstantError)) this.failed(error);
    return this.connection === null;
  }

  dropTokens(): void {
    this.account.tokens.clear();
  }

  stateInvalidated(): void {
    this.channels.invalidate();
  }

  stateChanged(): void {
    const { state } = this;
    if (state !== "connected") this.account.connectedAs("");
    if (this.reportedState === state) return;
    this.reportedState = state;
    this.debug(state);
    this.events.state.emit(state);
  }

  connected(context: ConnectedContext): void {
    this.wasConnected = true;
    this.account.connectedAs(context.client);
    this.clientIds.add(context.client);
    this.clearReconnects();
    this.connectionLimit.clear();
    this.connecting?.resolve();
    this.connecting = null;
    this.events.connected.emit(context);
  }

  closed(connection: Connection, code: number, reason: string): void {
    if (code === CONNECTION_LIMIT) this.connectLater(connection, { code, reason });
    else if (this.reconnects.allows(code)) this.reconnect(connection, { code, reason });
    else this.end({ code, reason }, new ConnectionClosed(code, reason));
  }

  // ChannelOwner

  tick(): Promise<void> {
    return this.nextTick.wait();
  }

  async channelToken(name: string): Promise<string> {
    // The token of a strict channel is bound to a connection. The id of the connection is known once it is established.
    if (this.account.tokens.channel(name) === null) await this.whenConnected();
    return await this.account.channelToken(name);
  }

  dropChannelToken(name: string): void {
    this.account.tokens.dropChannel(name);
  }

  channelTokenExpired(name: string, token: string): void {
    const { tokens } = this.account;
    if (tokens.latestChannel(name) === token) tokens.dropChannels();
  }

  hasSent(tags: Tags | undefined): boolean {
    return this.clientIds.hasSent(tags, this.account.user);
  }

  subscribed(event: SubscribeEvent): void {
    this.clearReconnects();
    this.debug(`joined ${event.channel}`);
    this.events.subscribed.emit(event);
  }

  channelEnded(channel: ChannelSubscription, event: UnsubscribeEvent | null, error: InstantError | null): void {
    this.channels.remove(channel);
    this.clearReconnects();
    if (event !== null) this.events.unsubscribed.emit(event);
    if (channel.level === PAGE && event?.code === SERVER_UNSUBSCRIBED) return this.rejoinTopic(channel.name);
    if (error === null) return;
    if (channel.optional && error instanceof ChannelRefused) this.debug(error.message);
    else this.events.report(error);
  }

  // Private

  /**
   * Renew the tokens of the connection and of all channels to join, except those of strict channels. This makes one
   * request if any has expired. If Django has not listed the user's channels yet, it makes one more request at most.
   */
  private async renewAll(): Promise<void> {
    await this.account.requestAllChannels();
    const wanted = this.channels.all.filter(
      (channel) => this.isWanted(channel) && !channel.strict && channel.tokenSource === null,
    );
    await this.account.renew(wanted.map(({ name }) => name));
  }

  private whenConnected(): Promise<void> {
    if (this.state === "connected") return Promise.resolve();
    return new Promise((resolve) => {
      const undo = this.events.connected.add(() => {
        undo();
        resolve();
      });
    });
  }

  /** Subscribe to a topic again after the server ended it. Django returns a token if the page's window is valid. */
  private rejoinTopic(name: string): void {
    this.dropChannelToken(name);
    const channel = this.channels.want(name);
    channel.level = PAGE;
    channel.explicit = false;
    channel.optional = true;
    channel.whenJoined().catch(() => undefined); // if the window is no longer valid, `rightsChanged` reports it
    if (this.connection !== null) channel.join(this.connection.client);
  }

  private isWanted(channel: ChannelSubscription): boolean {
    return this.joinsAll || channel.explicit;
  }

  private joinNew(): void {
    if (this.connection === null) return;
    for (const channel of this.channels.all) if (this.isWanted(channel)) channel.join(this.connection.client);
  }

  private refuse(credentials: Credentials, names: readonly string[]): void {
    const given = new Set(credentials.channels.map(({ name }) => name));
    const reasons = new Map(credentials.refused.map(({ name, reason }) => [name, reason]));
    for (const name of names) {
      if (!given.has(name)) this.channels.get(name)?.refuse(reasons.get(name) || "Django returned no token for it", this.client);
    }
  }

  /** Reconnect with a new client and new tokens after the server has closed the connection. */
  private reconnect(connection: Connection, event: DisconnectEvent): void {
    this.debug(`closed by the server: ${event.reason} (${event.code})`);
    this.reconnects.add(event);
    this.account.tokens.clear();
    this.account.cancelRequest();
    this.replaceConnection(connection).connect();
  }

  /** Reconnect after a pause, with a new client and the current tokens, because the user has too many connections. */
  private connectLater(connection: Connection, event: DisconnectEvent): void {
    const { lost, attempt } = this.events;
    const failed = this.reportedState === "connected" ? lost : attempt;
    const client = this.replaceConnection(connection);
    this.connectionLimit.wait(() => client.connect());
    const error = this.connectionLimit.error();
    this.stateChanged();
    failed.emit(event);
    if (error !== null) this.failed(error);
  }

  /** Replace the connection, and return the new SDK client. This does not connect. */
  private replaceConnection(old: Connection): Centrifuge {
    this.connectionLimit.stop();
    old.close();
    this.channels.detach(old.client, null);
    this.connection = new Connection(this, this.options);
    return this.connection.client;
  }

  /** Reset the count of reconnects once the server has accepted the connection and answered all subscriptions. */
  private clearReconnects(): void {
    if (!this.reconnects.areUnderWay || this.state !== "connected" || this.channels.arePending) return;
    this.reconnects.clear();
  }

  private end(event: DisconnectEvent, error: InstantError): void {
    if (this.connection === null) return;
    const { connection, connecting } = this;
    this.connection = this.connecting = null;
    this.joinsAll = this.wasConnected = false;
    this.reconnects.clear();
    this.connectionLimit.clear();
    connection.close();
    this.account.cancelRequest();
    this.channels.detach(connection.client, error);
    connecting?.reject(error);
    this.stateChanged();
    this.events.disconnected.emit(event);
  }
}
