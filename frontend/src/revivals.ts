import { REVOKED_CODE } from "./protocol.js";
import type { DisconnectEvent } from "./events.js";

const INVALID_TOKEN = 3500;
/** How often in a row a connection that the server ended is built anew: never a loop. */
const ALLOWED: { readonly [code: number]: number } = { [REVOKED_CODE]: 3, [INVALID_TOKEN]: 1 };

/** Counts the connections that took the place of one that the server ended. */
export class Revivals {
  /** How the first of them ended, since the last one that proved good. */
  from: DisconnectEvent | null = null;
  private count = 0;

  get areUnderWay(): boolean {
    return this.count > 0;
  }

  allows(code: number): boolean {
    return this.count < (ALLOWED[code] ?? 0);
  }

  note(event: DisconnectEvent): void {
    this.count += 1;
    this.from ??= event;
  }

  clear(): void {
    this.count = 0;
    this.from = null;
  }
}
