/** How often the page connects anew with new tokens after the server closed its connection. */

import type { DisconnectEvent } from "./clientEvents.js";
import { INVALID_TOKEN } from "./codes.js";
import { REVOKED_CODE } from "./protocol.js";

/** How many times in a row a page reconnects after a disconnect with this code: limited, so that it is never a loop. */
const ALLOWED: { readonly [code: number]: number } = { [REVOKED_CODE]: 3, [INVALID_TOKEN]: 1 };

/** Counts the reconnects since the server last accepted all tokens. */
export class Reconnects {
  /** Why the server closed the first of these connections. */
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
