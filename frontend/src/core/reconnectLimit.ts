/** The limit of reconnects with new tokens after the server has closed the connection. */

import type { DisconnectEvent } from "./clientEvents.js";
import { INVALID_TOKEN } from "./codes.js";
import { REVOKED_CODE } from "./protocol.js";

/** The maximum number of reconnects in a row, by the code of the disconnect. It prevents endless loops. */
const ALLOWED: { readonly [code: number]: number } = { [REVOKED_CODE]: 3, [INVALID_TOKEN]: 1 };

/** Counts the reconnects since the server last accepted all tokens. */
export class Reconnects {
  /** The disconnect that started these reconnects. */
  firstDisconnect: DisconnectEvent | null = null;
  private count = 0;

  get areUnderWay(): boolean {
    return this.count > 0;
  }

  allows(code: number): boolean {
    return this.count < (ALLOWED[code] ?? 0);
  }

  add(event: DisconnectEvent): void {
    this.count += 1;
    this.firstDisconnect ??= event;
  }

  clear(): void {
    this.count = 0;
    this.firstDisconnect = null;
  }
}
