import type { Centrifuge } from "centrifuge";
import { ConnectionClosed, type InstantError } from "./errors.js";
import type { Events, State } from "./events.js";

/** What calls and sockets need of a session. */
export interface LineOwner {
  readonly events: Events;
  readonly client: Centrifuge | null;
  readonly state: State;
  connect(): Promise<void>;
}

/** Waits for the connection, as long as there may be one. */
export class Line {
  private over: InstantError | null = null;
  private waiting: (() => void)[] = [];

  /** With `opens` a first call connects; else somebody does. */
  constructor(
    private readonly owner: LineOwner,
    private readonly opens: boolean,
  ) {
    const { connected, disconnected, state } = owner.events;
    state.add((now) => {
      if (now === "connecting") this.over = null;
    });
    connected.add(() => this.wake());
    disconnected.add(({ code, reason }) => this.end(new ConnectionClosed(code, reason)));
  }

  /** Reject whoever waits and whoever comes, until a connection is made after all. */
  end(error: InstantError): void {
    this.over = error;
    this.wake();
  }

  /** Return the SDK's client once it is connected. Rejects where the connection is over for good. */
  async client(): Promise<Centrifuge> {
    for (;;) {
      const { client, state } = this.owner;
      if (client !== null && state === "connected") return client;
      if (this.over !== null) throw this.over;
      if (client === null && this.opens) await this.owner.connect();
      else await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  private wake(): void {
    for (const resume of this.waiting.splice(0)) resume();
  }
}
