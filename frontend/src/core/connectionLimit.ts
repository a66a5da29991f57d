/** The pause after the server refused a connection because the user has too many (close code 3504). */

import { CONNECTION_LIMIT } from "./codes.js";
import { ConnectionError } from "./errors.js";

/** Waits before the next attempt. A connection that has just broken may count on the server for half a minute. */
export class ConnectionLimit {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private reported = false;

  /** `delay` is the shortest pause in milliseconds; the longest is twice that, so that pages do not all try at once. */
  constructor(private readonly delay: number) {}

  get isWaiting(): boolean {
    return this.timer !== null;
  }

  wait(connect: () => void): void {
    this.stop();
    const end = (): void => {
      this.timer = null;
      connect();
    };
    this.timer = setTimeout(end, this.delay * (1 + Math.random()));
  }

  /** End the pause without connecting. */
  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  /** Return the error to report; null if one was returned since the last call of `clear()`. */
  error(): ConnectionError | null {
    if (this.reported) return null;
    this.reported = true;
    const seconds = Math.ceil(this.delay / 1000);
    return new ConnectionError(CONNECTION_LIMIT, `the user has too many connections; next attempt in ${seconds} s or more`);
  }

  /** End the pause, and report the next refusal again. */
  clear(): void {
    this.stop();
    this.reported = false;
  }
}
