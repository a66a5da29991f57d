/** Waits for the connection, on behalf of calls and sockets. */

import type { Centrifuge } from "centrifuge";
import type { ClientEvents, State } from "./clientEvents.js";
import { ConnectionClosed, type InstantError } from "./errors.js";

/** What calls and sockets need from a session. */
export interface ConnectionWaitOwner {
  readonly events: ClientEvents;
  readonly client: Centrifuge | null;
  readonly state: State;
  connect(): Promise<void>;
}

/** Waits as long as a connection is possible. */
export class ConnectionWait {
  private closed: InstantError | null = null;
  private waiting: (() => void)[] = [];

  /** With `connects` the first wait connects; without it, the page does. */
  constructor(
    private readonly owner: ConnectionWaitOwner,
    private readonly connects: boolean,
  ) {
    const { connected, disconnected, state } = owner.events;
    state.add((now) => {
      if (now === "connecting") this.closed = null;
    });
    connected.add(() => this.resume());
    disconnected.add(({ code, reason }) => this.reject(new ConnectionClosed(code, reason)));
  }

  /** Reject all that wait, and all later ones until a connection is attempted again. */
  reject(error: InstantError): void {
    this.closed = error;
    this.resume();
  }

  /** Return the SDK's client once it is connected. Rejects if the connection is closed for good. */
  async client(): Promise<Centrifuge> {
    for (;;) {
      const { client, state } = this.owner;
      if (client !== null && state === "connected") return client;
      if (this.closed !== null) throw this.closed;
      if (client === null && this.connects) await this.owner.connect();
      else await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  private resume(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
