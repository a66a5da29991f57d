/** The engine of a page that Django renders. It connects the page, and passes messages and events to its templates. */

import type { Centrifuge } from "centrifuge";
import { ConfigurationError, UnauthorizedError } from "../core/errors.js";
import type { JsonValue } from "../core/json.js";
import { EVERY, type Message } from "../core/messages.js";
import { eventsOf } from "../core/modelEvents.js";
import type { Options } from "../core/options.js";
import { STREAM, STREAM_ATTRIBUTE } from "../core/protocol.js";
import { Session } from "../core/siteSession.js";
import { pageWindows } from "../windows/pageWindows.js";
import type { Windows } from "../windows/windowSignals.js";
import { dispatchDomEvent, dispatchMessage } from "./domEvents.js";
import { LiveHtml } from "./liveHtml.js";
import { liveLists, type MakeLiveList } from "./liveList.js";
import { MessageLabels, type LabelTable } from "./messageLabels.js";
import type { PageData } from "./pageData.js";
import { reloadWhenVisible } from "./reload.js";
import { type UnpackedData, unpackData } from "./unpackData.js";
import { runUserCode } from "./userCode.js";

/** A handler template. It gets each message of its channel in seven variables. */
export type PageHandler = (
  event_class: string,
  channel: string,
  message: string,
  data: JsonValue,
  site: string,
  uid: string,
  timestamp: string,
) => void;

/** A template in instant/events/. "connect" gets the SDK's context; "disconnect" gets the code and the reason. */
export type PageEvent = (...details: unknown[]) => void;
type ClientHook = (centrifuge: Centrifuge, unpack_data: (dataset: unknown) => UnpackedData, instantDebug: boolean) => void;

/** The interface of `instant.page`, for the rendered scripts. A handler replaces the previous one for the same name. */
export interface Page {
  readonly debug: boolean;
  /** Set the handler of a channel; null for the default handler. */
  handler(channel: string | null, handle: PageHandler): void;
  /** Set the handler of an event template. */
  event(name: string, handle: PageEvent): void;
  /** Set the labels of the event classes. */
  labels(table: () => LabelTable): void;
  /** Return the HTML of an event class's label. */
  label(eventClass: string): string;
  /** Set the function that gets the SDK's client before it connects. */
  client(use: ClientHook): void;
  /** Connect once the page is parsed. Calling it again does nothing. */
  start(): void;
  /** Return the fields of a message for the page's own JavaScript. */
  unpack_data(dataset: unknown): UnpackedData;
  /** Join the channels of `<template data-instant-stream>` under this node. */
  scan(root?: ParentNode): void;
  /** Apply the `data` of a live HTML message. */
  stream(data: unknown): void;
}

const SWAPPED = ["htmx:afterSwap", "htmx:after:swap"]; // htmx 1 and 2, htmx 4

/** Provides the SDK's client to the page's own JavaScript, in `instant/extra_clients.js`. */
export interface ExtraClients {
  /** Return the client, with the methods that the page's JavaScript expects. */
  client(centrifuge: Centrifuge): Centrifuge;
  /** Return whether the page's JavaScript handles this channel. The default handler then does not run. */
  has(channel: string): boolean;
}

export type MakeExtraClients = (session: Session, authUrl: string | null) => ExtraClients;

/** Connects one page: its session, its handlers, live HTML and live lists. */
export class Engine {
  readonly session: Session;
  readonly page: Page;
  readonly windows: Windows;
  readonly liveList: MakeLiveList;
  private readonly handlers = new Map<string | null, PageHandler>();
  private readonly eventHandlers = new Map<string, PageEvent>();
  private readonly messageLabels = new MessageLabels();
  private readonly extraClients: ExtraClients;
  private readonly liveHtml = new LiveHtml(() => this.scan(document));
  /** The channels that were joined for the page's HTML and its live lists. */
  private readonly joined = new Set<string>();
  /** The channels of the page's live lists. */
  private readonly wanted = new Set<string>();
  private hook: ClientHook | null = null;
  private started = false;
  private connects = false;

  constructor(
    private readonly data: PageData,
    makeExtraClients: MakeExtraClients,
  ) {
    this.session = sessionOf(data);
    this.extraClients = makeExtraClients(this.session, data.authUrl);
    this.page = this.functions();
    this.windows = pageWindows(this.session, data.known && data.user !== null, (change) => this.liveHtml.apply(change));
    this.liveList = liveLists({
      events: eventsOf(this.session.events.messages),
      want: (channel) => this.want(channel),
      refresh: (target) => this.liveHtml.refresh(target),
      changing: (element) => this.liveHtml.changing(element),
      changed: (elements) => this.liveHtml.process(elements),
    });
    this.listen();
  }

  private functions(): Page {
    const unpack_data = (dataset: unknown): UnpackedData => unpackData(dataset, this.messageLabels);
    return {
      debug: this.data.debug,
      handler: (channel, handle) => void this.handlers.set(channel, handle),
      event: (name, handle) => void this.eventHandlers.set(name, handle),
      labels: (table) => runUserCode("instant/event_class_format.js", () => this.messageLabels.use(table())),
      label: (eventClass) => this.messageLabels.html(eventClass),
      client: (use) => {
        this.hook = use;
      },
      start: () => this.start(),
      unpack_data,
      scan: (root = document) => this.scan(root),
      stream: (data) => this.liveHtml.apply(data),
    };
  }

  private listen(): void {
    const { events } = this.session;
    events.messages.on(EVERY, (message) => this.received(message));
    events.state.add(() => this.showState());
    events.connected.add((context) => {
      this.happened("connect", context, context);
      this.scan(document);
    });
    for (const ended of [events.lost, events.disconnected]) {
      ended.add(({ code, reason }) => this.happened("disconnect", { code, reason }, code, reason));
    }
    events.disconnected.add(() => this.joined.clear());
    events.revoked.add((event) => dispatchDomEvent("instant:revoked", event));
    events.rightsChanged.add((event) => {
      const detail = new CustomEvent("instant:rights-changed", { cancelable: true });
      if (!document.dispatchEvent(detail)) event.preventDefault();
    });
    this.session.onStale = reloadWhenVisible;
    events.subscribed.add(({ channel, recovered }) => {
      if (!recovered) dispatchDomEvent("instant:missed", { channel });
    });
  }

  private start(): void {
    if (this.started) return;
    this.started = true;
    for (const problem of this.data.problems) console.error(`instant: ${problem}`);
    this.showState();
    window.addEventListener("pageshow", ({ persisted }) => {
      if (persisted) void this.reloadForOtherUser();
    });
    for (const name of SWAPPED) document.addEventListener(name, () => this.scan(document));
    // Not before the page is parsed: the first messages may be for elements further down.
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => this.connect());
    else this.connect();
  }

  private connect(): void {
    const { data, session, hook } = this;
    if (!data.known || data.user === null) return;
    this.connects = true;
    const centrifuge = this.extraClients.client(session.open());
    // Run before connecting, so that its channels are joined together with all others.
    if (hook !== null) runUserCode("instant/extra_clients.js", () => hook(centrifuge, this.page.unpack_data, data.debug));
    session.connect().catch((error: Error) => {
      if (error instanceof UnauthorizedError) console.warn("instant: not connected: nobody is logged in");
      else console.error(`instant: not connected: ${error.message}`);
    });
    this.scan(document);
  }

  private received(message: Message): void {
    const { eventClass, channel, message: text, data, site, uid, timestamp } = message;
    if (this.data.debug) console.debug(`instant: received a message in ${channel}`, message);
    if (eventClass === STREAM) return this.liveHtml.apply(data);
    const handle = this.handlers.get(channel) ?? (this.extraClients.has(channel) ? undefined : this.handlers.get(null));
    if (handle !== undefined) {
      runUserCode(`the handler of ${channel}`, () => handle(eventClass, channel, text, data ?? {}, site, uid, timestamp));
    }
    dispatchMessage(message);
  }

  private happened(name: string, detail: unknown, ...details: unknown[]): void {
    const handle = this.eventHandlers.get(name);
    if (handle !== undefined) runUserCode(`instant/events/${name}.js`, () => handle(...details));
    dispatchDomEvent(`instant:${name}`, detail);
  }

  private showState(): void {
    const { state } = this.session;
    document.documentElement.dataset["instantState"] = state;
    dispatchDomEvent("instant:state", { state });
  }

  private scan(root: ParentNode): void {
    // Subscribing would open a connection, even for a page that must not connect.
    if (!this.connects || this.session.client === null) return;
    const templates = [...root.querySelectorAll(`template[${STREAM_ATTRIBUTE}]`)];
    const named = templates.map((element) => element.getAttribute(STREAM_ATTRIBUTE));
    for (const name of new Set([...named, ...this.wanted])) {
      if (name === null || name === "" || this.joined.has(name) || this.data.refused.has(name)) continue;
      this.joined.add(name);
      if (named.includes(name)) this.session.channels.want(name).optional = true;
      this.session.subscribe(name).catch(() => undefined); // reported by the session
    }
  }

  private want(channel: string): void {
    this.wanted.add(channel);
    this.scan(document);
  }

  /** Reload a page from the back/forward cache if its user has changed or logged out since. */
  private async reloadForOtherUser(): Promise<void> {
    if (!this.data.known) return;
    const before = this.session.account.user ?? this.data.user;
    try {
      if ((await this.session.account.currentUser()) !== before) location.reload();
    } catch {
      // Django cannot be reached. The connection retries, and Django refuses it if the user may not connect.
    }
  }
}

function sessionOf({ prefix, path, debug, timeout, credentials }: PageData): Session {
  // A sandboxed page has the origin "null", which no request matches.
  const sendersTo = location.origin === "null" ? [] : [location.origin];
  const options: Options = { debug, prefix, path, sendersTo, timeout };
  try {
    return new Session({ ...options, credentials });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    console.error(`instant: ${error.message}; requesting new credentials from Django`);
    return new Session(options);
  }
}
