/** Lets calls and sockets wait for the connection. */

import type { Centrifuge } from "centrifuge";
import type { ClientEvents, State } from "./clientEvents.js";
import { ConnectionClosed, type InstantError } from "./errors.js";

/** The session, as calls and sockets use it. */
export interface ConnectionWaitOwner {
  readonly events: ClientEvents;
  readonly client: Centrifuge | null;
  readonly state: State;
  connect(): Promise<void>;
}

/** Waits for a connection, until it is closed for good. */
export class ConnectionWait {
  private closed: InstantError | null = null;
  private waiting: (() => void)[] = [];

  /** With `connects`, waiting opens a connection if there is none. Without it, other code must open the connection. */
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

  /** Reject all pending and later waits, until the next attempt to connect. */
  reject(error: InstantError): void {
    this.closed = error;
    this.resume();
  }

  /** Return the SDK's client once it is connected. Rejects with the error that closed the connection for good. */
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
