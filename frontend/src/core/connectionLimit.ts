/** The pause after the server refused a connection because the user has too many connections (close code 3504). */

import { CONNECTION_LIMIT } from "./codes.js";
import { ConnectionError } from "./errors.js";

/** Delays the next attempt to connect. The server may count a lost connection for up to 30 seconds after the loss. */
export class ConnectionLimit {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private reported = false;

  /** `delay`: the shortest pause in milliseconds. The longest is twice that, so that pages do not all retry at once. */
  constructor(private readonly delay: number) {}

  get isWaiting(): boolean {
    return this.timer !== null;
  }

  /** Call `connect` after a pause. A pause that is already running is cancelled. */
  wait(connect: () => void): void {
    this.stop();
    const end = (): void => {
      this.timer = null;
      connect();
    };
    this.timer = setTimeout(end, this.delay * (1 + Math.random()));
  }

  /** Cancel the pause without connecting. */
  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  /** Return the error to report, or null if it was returned since the last call of `clear()`. */
  error(): ConnectionError | null {
    if (this.reported) return null;
    this.reported = true;
    const seconds = Math.ceil(this.delay / 1000);
    return new ConnectionError(CONNECTION_LIMIT, `the user has too many connections; next attempt in ${seconds} s or more`);
  }

  /** Cancel the pause, and report the next refusal again. */
  clear(): void {
    this.stop();
    this.reported = false;
  }
}
