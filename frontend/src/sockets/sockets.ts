/** The sockets of a page. All share the page's connection; each has its own Python handler (`instant.sockets`). */

import { UNAUTHORIZED } from "../core/codes.js";
import { ConnectionClosed, UnauthorizedError } from "../core/errors.js";
import { NAMESPACE_BOUNDARY, SOCKETS_NAMESPACE } from "../core/protocol.js";
import type { ConnectionWait, ConnectionWaitOwner } from "../core/waitForConnection.js";
import { ABNORMAL, NORMAL, ofDisconnect } from "./closeCodes.js";
import type { InstantSocket, SocketOptions } from "./interface.js";
import { Socket } from "./socket.js";

/** The session, as sockets use it. */
export interface SocketsOwner extends ConnectionWaitOwner {
  readonly account: { readonly tenant: string; delay(failures: number): number };
  tick(): Promise<void>;
}

const NAME = /^[A-Za-z0-9_.-]{1,100}$/;

export class Sockets {
  private readonly all = new Set<Socket>();

  constructor(
    private readonly owner: SocketsOwner,
    private readonly connectionWait: ConnectionWait,
  ) {
    const { attempt, connected, disconnected } = owner.events;
    connected.add(() => this.each((socket) => this.attach(socket)));
    attempt.add(({ reason }) => this.each((socket) => socket.lost(reason)));
    disconnected.add(({ code, reason }) => this.each((socket) => close(socket, code, reason)));
  }

  /**
   * Open a new socket. Throws a DOMException (`SyntaxError`) if the name is invalid, a TypeError if `options.data` is
   * not JSON, and a RangeError if it is too large.
   */
  open(name = "", options: SocketOptions = {}): InstantSocket {
    if (name !== "" && !NAME.test(name)) throw new DOMException(`"${name}" is not a valid socket name`, "SyntaxError");
    const channel = [SOCKETS_NAMESPACE, name || "default", random()].join(NAMESPACE_BOUNDARY);
    const { owner } = this;
    const socket: Socket = new Socket(
      {
        tick: () => owner.tick(),
        delay: (failures) => owner.account.delay(failures),
        refused: (error) => owner.events.report(error),
        closed: () => this.all.delete(socket),
      },
      channel,
      options,
    );
    this.all.add(socket);
    this.connectionWait.client().then(
      () => this.attach(socket),
      (error: Error) => {
        if (error instanceof ConnectionClosed) close(socket, error.code, error.reason);
        else close(socket, error instanceof UnauthorizedError ? UNAUTHORIZED : ABNORMAL, error.message);
      },
    );
    return socket;
  }

  private attach(socket: Socket): void {
    const { client, state } = this.owner;
    if (client !== null && state === "connected") socket.attach(client, this.owner.account.tenant);
  }

  private each(run: (socket: Socket) => void): void {
    for (const socket of [...this.all]) run(socket);
  }
}

function close(socket: Socket, code: number, reason: string): void {
  const closing = ofDisconnect(code, reason);
  if (closing.code === NORMAL) socket.end(closing);
  else socket.fail(closing);
}

/** Return a random suffix. With it each socket has its own channel, even if a page opens two with the same name. */
function random(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
