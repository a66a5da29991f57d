/** What the live tests share: a page with its client, a network that fails on demand, and the server's API. */

import { randomUUID } from "node:crypto";
import { inject, onTestFinished, vi } from "vitest";
import { WebSocket } from "ws";
import { type Instant, type InstantError, type Message, type Options, useInstant } from "../../src/index";
import { Django } from "./django";
import { API_KEY } from "./servers";

export const servers = inject("servers");
export const limitedServers = inject("limitedServers");

/** How much longer than usual to wait: on a busy machine, PATIENCE=3 in the environment triples all time limits. */
export const PATIENCE = Number(process.env.PATIENCE ?? 1);

export function until(condition: () => boolean): Promise<void> {
  return vi.waitFor(
    () => {
      if (!condition()) throw new Error(`not so: ${String(condition)}`);
    },
    { timeout: 30_000 * PATIENCE, interval: 5 },
  );
}

/** A network of one page, which can be cut. */
export class Network {
  readonly sockets = new Set<WebSocket>();
  isDown = false;
  opened = 0;
  /** How often the server said that a token has expired. */
  expirations = 0;
  readonly Socket: new (url: string) => WebSocket;

  constructor() {
    const network = this;
    this.Socket = class extends WebSocket {
      constructor(url: string) {
        super(network.isDown ? "ws://127.0.0.1:1/" : url);
        network.opened += 1;
        network.sockets.add(this);
        this.on("message", (data) => (network.expirations += String(data).split('"code":109').length - 1));
        this.once("close", () => network.sockets.delete(this));
      }
    };
  }

  /** Break the connection; it can be made anew at once. */
  cut(): void {
    for (const socket of this.sockets) socket.terminate();
  }

  goDown(): void {
    this.isDown = true;
    this.cut();
  }

  comeBack(): void {
    this.isDown = false;
  }
}

/** A page: a client, and what it was told. */
export interface Page extends Instant {
  readonly network: Network;
  readonly messages: Message[];
  readonly errors: InstantError[];
  readonly ends: { code: number; reason: string }[];
}

export class World {
  constructor(
    readonly django: Django,
    private readonly port: number,
  ) {}

  static async open(port: number): Promise<World> {
    const django = await new Django(port).start();
    onTestFinished(() => django.stop());
    return new World(django, port);
  }

  /** A name that no other test uses. */
  channel(prefix = "$"): string {
    return `${prefix}${randomUUID().slice(0, 13)}`;
  }

  /** Open a page, in a browser where `as` is logged in. */
  page(as?: string, options: Options = {}): Page {
    const network = new Network();
    const instant = useInstant({
      backendUrl: this.django.url,
      fetch: this.django.browser(as),
      websocket: network.Socket,
      minReconnectDelay: 10,
      maxReconnectDelay: 50,
      ...options,
    });
    const page = Object.create(instant) as Page;
    const messages: Message[] = [];
    const errors: InstantError[] = [];
    const ends: { code: number; reason: string }[] = [];
    instant.on("*", (message) => messages.push(message));
    instant.onError((error) => errors.push(error));
    instant.onDisconnect((event) => ends.push(event));
    onTestFinished(() => instant.disconnect());
    return Object.assign(page, { network, messages, errors, ends });
  }

  async joined(page: Page, count: number): Promise<void> {
    let joined = 0;
    const undo = page.onSubscribe(() => (joined += 1));
    await page.connect();
    await until(() => joined >= count);
    undo();
  }

  async api(method: string, params: object): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.port}/api/${method}`, {
      method: "POST",
      headers: { "X-API-Key": API_KEY, "Content-Type": "application/json" },
      body: JSON.stringify(params),
    });
    const answer = (await response.json()) as { error?: unknown; result?: unknown };
    if (!response.ok || answer.error !== undefined) throw new Error(`${method}: ${JSON.stringify(answer)}`);
    return answer.result;
  }

  async publish(channel: string, content: { message?: string; data?: unknown; event_class?: string; uid?: string }): Promise<void> {
    const data = { site: "Test", uid: randomUUID(), timestamp: new Date().toISOString(), ...content };
    await this.api("publish", { channel, data });
  }

  /** Where the channel's history stands. */
  async position(channel: string): Promise<{ offset: number; epoch: string }> {
    const { offset = 0, epoch } = (await this.api("history", { channel, limit: 0 })) as { offset?: number; epoch: string };
    return { offset, epoch };
  }

  async publishMany(channel: string, count: number): Promise<string[]> {
    const texts = Array.from({ length: count }, (_, index) => `message ${index}`);
    for (const message of texts) await this.publish(channel, { message });
    return texts;
  }

  /** Have the page itself publish, by its SDK's client. */
  async whisper(page: Page, channel: string, data: unknown): Promise<void> {
    await page.client?.publish(channel, data);
  }

  end(user: string, code: number, reason: string): Promise<unknown> {
    return this.api("disconnect", { user, disconnect: { code, reason } });
  }
}

export const texts = (page: Page): string[] => page.messages.map(({ message }) => message);
