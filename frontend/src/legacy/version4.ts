/**
 * The interface of `instant/index.min.js` in django-instant 2 to 4, implemented with the current client.
 *
 * Dropped in django-instant 6.0.
 */

import type { Centrifuge } from "centrifuge";
import { ConfigurationError } from "../core/errors.js";
import type { JsonValue } from "../core/json.js";
import { EVERY, type Message as Received } from "../core/messages.js";
import { Session } from "../core/siteSession.js";

/** The keys of a "string" payload. */
export interface MessageContract {
  channel: string;
  site: string;
  message?: string | null;
  data?: JsonValue;
  event_class?: string | null;
  bucket?: string | null;
}

/** A message in the format of version 4. */
export class Message {
  readonly channelName: string;
  readonly site: string;
  readonly msg: string;
  readonly data: JsonValue;
  readonly eventClass: string;
  readonly bucket: string;
  /** The time of receipt. */
  readonly date = new Date();

  constructor(content: MessageContract) {
    this.channelName = content.channel;
    this.site = content.site;
    this.msg = content.message ?? "";
    this.data = content.data ?? {};
    this.eventClass = content.event_class ?? "";
    this.bucket = content.bucket ?? "";
  }
}

/** A channel in the format of Django's answer. */
export interface ChannelEntry {
  name: string;
  level: string;
  token: string;
}

/** The object that `useInstant()` of version 4 returns. */
export interface InstantCompat {
  init(backendUrl: string, websocketsUrl: string, verbose?: boolean): Promise<void>;
  connect(autosub?: boolean): Promise<void>;
  onMessage(handler: (message: Message) => void): void;
  login(username: string, password: string): Promise<void>;
  subscribe(): void;
  getClient(): Centrifuge;
  readonly onReady: Promise<boolean>;
  readonly channels: Set<ChannelEntry>;
}

export function useInstant(): InstantCompat {
  const adapter = new Adapter();
  return {
    init: (backendUrl, websocketsUrl, verbose = false) => adapter.init(backendUrl, websocketsUrl, verbose),
    connect: (autosub = true) => adapter.connect(autosub),
    onMessage: (handler) => {
      adapter.handler = handler;
    },
    login: (username, password) => adapter.login(username, password),
    subscribe: () => adapter.subscribe(),
    getClient: () => adapter.session.open(),
    onReady: adapter.onReady,
    channels: adapter.channels,
  };
}

class Adapter {
  handler = (message: Message): void => console.log(JSON.stringify(message, null, "  "));
  readonly channels = new Set<ChannelEntry>();
  readonly onReady: Promise<boolean>;
  private current: Session | null = null;
  private ready: (value: boolean) => void = () => undefined;

  constructor() {
    this.onReady = new Promise((resolve) => {
      this.ready = resolve;
    });
  }

  get session(): Session {
    if (this.current === null) throw new ConfigurationError("there is no session: call init(backendUrl, websocketsUrl) first");
    return this.current;
  }

  async init(backendUrl: string, websocketsUrl: string, debug: boolean): Promise<void> {
    this.current?.disconnect();
    const websocketUrl = `${websocketsUrl.replace(/\/$/, "")}/connection/websocket`;
    const session = new Session({ backendUrl, websocketUrl, debug });
    this.current = session;
    session.events.messages.on(EVERY, (message) => this.handler(translated(message)));
    session.events.connected.add(() => this.list(session));
    await session.account.requestAllChannels();
    this.list(session);
    session.open();
    this.ready(true);
  }

  async login(username: string, password: string): Promise<void> {
    await this.session.login(username, password);
  }

  async connect(autosub: boolean): Promise<void> {
    await this.session.connect(autosub);
  }

  subscribe(): void {
    this.session.joinAll();
  }

  private list(session: Session): void {
    this.channels.clear();
    for (const { name, level } of session.channels.all) {
      this.channels.add({ name, level, token: session.account.tokens.latestChannel(name) ?? "" });
    }
  }
}

function translated({ channel, site, message, data, eventClass, bucket }: Received): Message {
  return new Message({ channel, site, message, data, event_class: eventClass, bucket });
}
