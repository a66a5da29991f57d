import type { Centrifuge, ConnectedContext } from "centrifuge";
import { Account, type AccountOwner } from "./account.js";
import { ChannelRefused, ConfigurationError, ConnectionClosed, InstantError, RequestFailed, UnauthorizedError } from "./errors.js";
import { type DisconnectEvent, Events, type State } from "./events.js";
import { Link, type LinkOwner } from "./link.js";
import { Deferred } from "./listeners.js";
import { mark } from "./marking.js";
import { toMessage } from "./message.js";
import type { Options } from "./options.js";
import { Revivals } from "./revivals.js";
import type { Room, RoomOwner, SubscribeEvent, UnsubscribeEvent } from "./room.js";
import { Rooms } from "./rooms.js";
import { Senders, type Tags } from "./senders.js";
import type { Credentials } from "./tokens.js";
import { Turn } from "./turn.js";

const UNAUTHORIZED = 1;

/** What a page has with one Django site: the account, the channels, and the link to the server while there is one. */
export class Session implements AccountOwner, LinkOwner, RoomOwner {
  readonly events: Events;
  readonly account: Account;
  readonly rooms = new Rooms(this);
  /** The clients that this page has been. */
  readonly senders = new Senders();
  private link: Link | null = null;
  private opening: Deferred | null = null;
  private joinsAll = false;
  private wasConnected = false;
  private readonly revivals = new Revivals();
  private readonly turn = new Turn();
  private announced: State = "disconnected";

  constructor(private readonly options: Options) {
    this.events = new Events(options.debug ?? false);
    this.account = new Account(this, options);
    if (options.sendersTo?.length) mark(this.senders, options.sendersTo);
  }

  get client(): Centrifuge | null {
    return this.link?.client ?? null;
  }

  get state(): State {
    return this.link === null || this.link.isOver ? "disconnected" : this.link.client.state;
  }

  // What the page asks for

  async login(username: string, password: string): Promise<void> {
    await this.account.login(username, password);
    this.joinNew();
  }

  async logout(): Promise<void> {
    // Closed first: the server ends the user's connections now, and this one must not come back.
    const event = { code: 0, reason: "logout called" };
    const error = new ConnectionClosed(event.code, event.reason);
    this.end(event, error);
    this.rooms.clear(error);
    await this.account.logout();
  }

  /** Have a client; it need not connect yet. */
  open(): Centrifuge {
    if (this.link === null) {
      this.link = new Link(this, this.options);
      this.account.refreshIfStale();
    }
    return this.link.client;
  }

  async connect(joinsAll = true): Promise<void> {
    const client = this.open();
    if (joinsAll) this.joinAll();
    if (client.state === "connected") return;
    this.opening ??= new Deferred();
    const { promise } = this.opening;
    client.connect();
    await promise;
  }

  /** Join all the user's channels, now or when there is a connection. */
  joinAll(): void {
    this.joinsAll = true;
    this.joinNew();
  }

  disconnect(): void {
    const event = { code: 0, reason: "disconnect called" };
    this.rooms.joinAllAgain();
    this.end(event, new ConnectionClosed(event.code, event.reason));
    this.account.rest();
  }

  subscribe(name: string): Promise<void> {
    const room = this.rooms.want(name);
    const joined = room.whenJoined();
    if (this.link === null) this.connect().catch((error: unknown) => room.giveUp(error as Error));
    else room.join(this.link.client);
    return joined;
  }

  unsubscribe(name: string): void {
    const room = this.rooms.get(name);
    if (room === undefined || room.leaving) return;
    const { isJoined } = room;
    this.rooms.leave(room, this.client);
    if (isJoined) this.events.unsubscribed.emit({ channel: name, code: 0, reason: "unsubscribe called" });
  }

  // What the account tells

  adopted(credentials: Credentials, names: readonly string[] | null, isOther: boolean): void {
    if (isOther) this.rooms.changeUser(this.client);
    for (const channel of credentials.channels) this.rooms.know(channel, names === null);
    this.refuse(credentials, names ?? []);
    if (isOther && this.link?.isBound) this.replaceLink(this.link);
  }

  failed(error: unknown): void {
    const known = error instanceof InstantError ? error : new InstantError(String(error), error);
    const isRejected = this.link === null || (this.opening !== null && !this.wasConnected);
    this.events.report(known, isRejected && known instanceof RequestFailed && !known.retryable);
    if (known instanceof UnauthorizedError) {
      this.account.forget();
      this.end(this.revivals.from ?? { code: UNAUTHORIZED, reason: "unauthorized" }, known);
    } else if (known instanceof RequestFailed && !known.retryable && !this.wasConnected) {
      this.end({ code: UNAUTHORIZED, reason: known.code }, known);
    }
  }

  debug(text: string): void {
    this.events.debug(text);
  }

  // What the link asks and tells

  async prepare(link: Link): Promise<string> {
    await this.renewAll();
    const token = this.account.tokens.latestConnection;
    if (link.isOver || token === null) throw new InstantError("the connection was given up");
    this.account.serverAddress();
    this.rooms.attach(link.client, (room) => this.isWanted(room));
    return token;
  }

  async renewedToken(link: Link, used: string | null): Promise<string> {
    const { tokens } = this.account;
    if (used !== null && tokens.latestConnection === used) tokens.dropConnection();
    if (link.client.state === "connected") await this.account.renew([]);
    else await this.renewAll();
    return tokens.latestConnection ?? "";
  }

  serverAddress(): string {
    return this.account.serverAddress();
  }

  isFinal(error: unknown): boolean {
    if (error instanceof ConfigurationError) this.end({ code: UNAUTHORIZED, reason: error.message }, error);
    else if (!(error instanceof InstantError)) this.failed(error);
    return this.link === null;
  }

  dropTokens(): void {
    this.account.tokens.clear();
  }

  stateInvalidated(): void {
    this.rooms.invalidate();
  }

  stateChanged(): void {
    const { state } = this;
    if (this.announced === state) return;
    this.announced = state;
    this.debug(state);
    this.events.state.emit(state);
  }

  connected(context: ConnectedContext): void {
    this.wasConnected = true;
    this.senders.add(context.client);
    this.settle();
    this.opening?.resolve();
    this.opening = null;
    this.events.connected.emit(context);
  }

  closed(link: Link, code: number, reason: string): void {
    if (this.revivals.allows(code)) this.revive(link, { code, reason });
    else this.end({ code, reason }, new ConnectionClosed(code, reason));
  }

  // What the rooms ask and tell

  tick(): Promise<void> {
    return this.turn.next();
  }

  channelToken(name: string): Promise<string> {
    return this.account.channelToken(name);
  }

  dropChannelToken(name: string): void {
    this.account.tokens.dropChannel(name);
  }

  channelTokenExpired(name: string, token: string): void {
    const { tokens } = this.account;
    if (tokens.latestChannel(name) === token) tokens.dropChannels();
  }

  received(channel: string, data: unknown, tags: Tags | undefined): void {
    this.events.receive(toMessage(channel, data), this.senders.sent(tags, this.account.user));
  }

  subscribed(event: SubscribeEvent): void {
    this.settle();
    this.debug(`joined ${event.channel}`);
    this.events.subscribed.emit(event);
  }

  ended(room: Room, event: UnsubscribeEvent | null, error: InstantError | null): void {
    this.rooms.remove(room);
    this.settle();
    if (event !== null) this.events.unsubscribed.emit(event);
    if (error === null) return;
    if (room.optional && error instanceof ChannelRefused) this.debug(error.message);
    else this.events.report(error);
  }

  // Inner workings

  /** Have good tokens of the connection and of all channels to join: one request, or none. */
  private async renewAll(): Promise<void> {
    await this.account.load();
    const wanted = this.rooms.all.filter((room) => this.isWanted(room) && room.source === null);
    await this.account.renew(wanted.map((room) => room.name));
  }

  private isWanted(room: Room): boolean {
    return this.joinsAll || room.explicit;
  }

  private joinNew(): void {
    if (this.link === null) return;
    for (const room of this.rooms.all) if (this.isWanted(room)) room.join(this.link.client);
  }

  private refuse(credentials: Credentials, names: readonly string[]): void {
    const given = new Set(credentials.channels.map(({ name }) => name));
    const reasons = new Map(credentials.refused.map(({ name, reason }) => [name, reason]));
    for (const name of names) {
      if (!given.has(name)) this.rooms.get(name)?.refuse(reasons.get(name) || "Django gave no token for it", this.client);
    }
  }

  /** The server ended the connection, but Django may give new tokens: a new client asks for them. */
  private revive(link: Link, event: DisconnectEvent): void {
    this.debug(`closed by the server: ${event.reason} (${event.code})`);
    this.revivals.note(event);
    this.account.tokens.clear();
    this.account.rest();
    this.replaceLink(link);
  }

  private replaceLink(old: Link): void {
    old.close();
    this.rooms.detach(old.client, null);
    this.link = new Link(this, this.options);
    this.link.client.connect();
  }

  /** Once all that was to be joined has been answered, the tokens are proven good. */
  private settle(): void {
    if (!this.revivals.areUnderWay || this.state !== "connected" || this.rooms.arePending) return;
    this.revivals.clear();
  }

  private end(event: DisconnectEvent, error: InstantError): void {
    if (this.link === null) return;
    const { link, opening } = this;
    this.link = this.opening = null;
    this.joinsAll = this.wasConnected = false;
    this.revivals.clear();
    link.close();
    this.account.rest();
    this.rooms.detach(link.client, error);
    opening?.reject(error);
    this.stateChanged();
    this.events.disconnected.emit(event);
  }
}
