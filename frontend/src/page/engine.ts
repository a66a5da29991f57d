import { STREAM, STREAM_ATTRIBUTE } from "../protocol.js";
import { ConfigurationError, UnauthorizedError } from "../errors.js";
import type { JsonValue, Message } from "../message.js";
import { eventsOf } from "../modelEvents.js";
import type { Options } from "../options.js";
import { Session } from "../session.js";
import type { Windows } from "../windows/index.js";
import { pageWindows } from "../windows/page.js";
import type { Facts } from "./facts.js";
import { LiveHtml } from "./html.js";
import { Labels, type LabelTable } from "./labels.js";
import { Legacy, type LegacyClient } from "./legacy.js";
import { liveLists, type MakeLiveList } from "./liveList.js";
import { guarded, tell } from "./report.js";
import { announce } from "./triggers.js";
import { type Unpacked, unpack } from "./unpack.js";

/** A handler template: each message of its channel, as seven variables. */
export type PageHandler = (
  event_class: string,
  channel: string,
  message: string,
  data: JsonValue,
  site: string,
  uid: string,
  timestamp: string,
) => void;

/** A template of instant/events/: "connect" gets the SDK's context, "disconnect" code and reason. */
export type PageEvent = (...details: unknown[]) => void;
type ClientHook = (centrifuge: LegacyClient, unpack_data: (dataset: unknown) => Unpacked, instantDebug: boolean) => void;

/** `instant.page`: what the rendered scripts call. Called again with the same name, the last call counts. */
export interface Page {
  readonly debug: boolean;
  handler(channel: string | null, handle: PageHandler): void;
  event(name: string, handle: PageEvent): void;
  labels(table: () => LabelTable): void;
  /** The HTML of the label of an event class. */
  label(eventClass: string): string;
  client(use: ClientHook): void;
  /** Connect, once the page is there as a whole; calling it again does nothing. */
  start(): void;
  unpack_data(dataset: unknown): Unpacked;
  /** Join the channels of `<template data-instant-stream>` under this node. */
  scan(root?: ParentNode): void;
  /** Apply the `data` of a message of live HTML. */
  stream(data: unknown): void;
}

const SWAPPED = ["htmx:afterSwap", "htmx:after:swap"]; // of htmx 1 and 2, and of htmx 4

/** A page and its connection: hands what comes to the page's templates. */
export class Engine {
  readonly session: Session;
  readonly page: Page;
  readonly windows: Windows;
  readonly liveList: MakeLiveList;
  private readonly handlers = new Map<string | null, PageHandler>();
  private readonly happenings = new Map<string, PageEvent>();
  private readonly tables = new Labels();
  private readonly legacy: Legacy;
  private readonly live = new LiveHtml(() => this.scan(document));
  private readonly joined = new Set<string>();
  /** The channels of the page's lists. */
  private readonly wanted = new Set<string>();
  private hook: ClientHook | null = null;
  private started = false;
  private begun = false;

  constructor(private readonly facts: Facts) {
    this.session = sessionOf(facts);
    this.legacy = new Legacy(this.session, facts.authUrl);
    this.page = this.functions();
    this.windows = pageWindows(this.session, facts.known && facts.user !== null, (data) => this.live.apply(data));
    this.liveList = liveLists({
      events: eventsOf(this.session.events.messages),
      want: (channel) => this.want(channel),
      refresh: (target) => this.live.refresh(target),
      changed: (elements) => this.live.announce(elements),
    });
    this.listen();
  }

  private functions(): Page {
    const unpack_data = (dataset: unknown): Unpacked => unpack(dataset, this.tables);
    return {
      debug: this.facts.debug,
      handler: (channel, handle) => void this.handlers.set(channel, handle),
      event: (name, handle) => void this.happenings.set(name, handle),
      labels: (table) => guarded("instant/event_class_format.js", () => this.tables.use(table())),
      label: (eventClass) => this.tables.html(eventClass),
      client: (use) => {
        this.hook = use;
      },
      start: () => this.start(),
      unpack_data,
      scan: (root = document) => this.scan(root),
      stream: (data) => this.live.apply(data),
    };
  }

  private listen(): void {
    const { events } = this.session;
    events.messages.on("*", (message) => this.received(message));
    events.state.add(() => this.showState());
    events.connected.add((context) => {
      this.happened("connect", context, context);
      this.scan(document);
    });
    for (const ended of [events.lost, events.disconnected]) {
      ended.add(({ code, reason }) => this.happened("disconnect", { code, reason }, code, reason));
    }
    events.disconnected.add(() => this.joined.clear());
    events.subscribed.add(({ channel, recovered }) => {
      if (!recovered) tell("instant:missed", { channel });
    });
  }

  private start(): void {
    if (this.started) return;
    this.started = true;
    for (const problem of this.facts.problems) console.error(`instant: ${problem}`);
    this.showState();
    window.addEventListener("pageshow", ({ persisted }) => {
      if (persisted) void this.cameBack();
    });
    for (const name of SWAPPED) document.addEventListener(name, () => this.scan(document));
    // Not before: messages that come at once may be about elements further down in the page.
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => this.begin());
    else this.begin();
  }

  private begin(): void {
    const { facts, session, hook } = this;
    if (!facts.known || facts.user === null) return;
    this.begun = true;
    const centrifuge = this.legacy.client(session.open());
    // Before it connects: what it subscribes to is joined with all the rest.
    if (hook !== null) guarded("instant/extra_clients.js", () => hook(centrifuge, this.page.unpack_data, facts.debug));
    session.connect().catch((error: Error) => {
      if (error instanceof UnauthorizedError) console.warn("instant: not connected: nobody is logged in");
      else console.error(`instant: not connected: ${error.message}`);
    });
    this.scan(document);
  }

  private received(message: Message): void {
    const { eventClass, channel, message: text, data, site, uid, timestamp } = message;
    if (this.facts.debug) console.debug(`instant: message of ${channel}`, message);
    if (eventClass === STREAM) return this.live.apply(data);
    const handle = this.handlers.get(channel) ?? (this.legacy.has(channel) ? undefined : this.handlers.get(null));
    if (handle !== undefined) {
      guarded(`the handler of ${channel}`, () => handle(eventClass, channel, text, data ?? {}, site, uid, timestamp));
    }
    announce(message);
  }

  private happened(name: string, detail: unknown, ...details: unknown[]): void {
    const handle = this.happenings.get(name);
    if (handle !== undefined) guarded(`instant/events/${name}.js`, () => handle(...details));
    tell(`instant:${name}`, detail);
  }

  private showState(): void {
    const { state } = this.session;
    document.documentElement.dataset["instantState"] = state;
    tell("instant:state", { state });
  }

  private scan(root: ParentNode): void {
    // Not where there is no connection and none to come: subscribing would connect.
    if (!this.begun || this.session.client === null) return;
    const templates = [...root.querySelectorAll(`template[${STREAM_ATTRIBUTE}]`)];
    const named = templates.map((element) => element.getAttribute(STREAM_ATTRIBUTE));
    for (const name of new Set([...named, ...this.wanted])) {
      if (name === null || name === "" || this.joined.has(name) || this.facts.refused.has(name)) continue;
      this.joined.add(name);
      if (named.includes(name)) this.session.rooms.want(name).optional = true;
      this.session.subscribe(name).catch(() => undefined); // told by the session
    }
  }

  private want(channel: string): void {
    this.wanted.add(channel);
    this.scan(document);
  }

  /** Out of the back/forward cache: the page shows what was somebody's who may have logged out meanwhile. */
  private async cameBack(): Promise<void> {
    if (!this.facts.known) return;
    const before = this.session.account.user ?? this.facts.user;
    try {
      if ((await this.session.account.whoIs()) !== before) location.reload();
    } catch {
      // Django does not answer: the connection goes on trying, and is refused where that is due.
    }
  }
}

function sessionOf({ prefix, path, debug, timeout, credentials }: Facts): Session {
  // A page in a sandbox has no origin: its requests are to others.
  const sendersTo = location.origin === "null" ? [] : [location.origin];
  const options: Options = { debug, prefix, path, sendersTo, timeout };
  try {
    return new Session({ ...options, credentials });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    console.error(`instant: ${error.message}; asking Django for others`);
    return new Session(options);
  }
}
