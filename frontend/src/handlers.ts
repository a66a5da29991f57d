import { REMEMBERED_UIDS } from "./protocol.js";
import type { Undo } from "./listeners.js";
import type { Message } from "./message.js";

export type Handler = (message: Message) => void;

/** The selector of handlers that get every message. */
export const EVERY = "*";

/** The page's handlers, by channel, event class or "*". Each uid is handed on once. */
export class Handlers {
  private readonly bySelector = new Map<string, Set<{ handle: Handler }>>();
  private readonly seen = new Set<string>();

  constructor(private readonly failed: (message: Message, error: unknown) => void) {}

  on(selector: string, handle: Handler): Undo {
    const entry = { handle };
    const entries = this.bySelector.get(selector) ?? new Set();
    this.bySelector.set(selector, entries.add(entry));
    return () => {
      entries.delete(entry);
      if (entries.size === 0 && this.bySelector.get(selector) === entries) this.bySelector.delete(selector);
    };
  }

  /**
   * Hand a message to the channel's handlers, then the event class's, then those of "*". With `leftOut`, to none: it is
   * remembered only, as it may come by another channel too.
   */
  dispatch(message: Message, leftOut = false): void {
    if ((message.uid !== "" && !this.isNew(message.uid)) || leftOut) return;
    for (const selector of new Set([message.channel, message.eventClass, EVERY])) {
      this.run(this.bySelector.get(selector), message);
    }
  }

  private run(entries: Set<{ handle: Handler }> | undefined, message: Message): void {
    if (!entries) return;
    for (const entry of [...entries]) {
      if (!entries.has(entry)) continue;
      try {
        entry.handle(message);
      } catch (error) {
        this.failed(message, error);
      }
    }
  }

  private isNew(uid: string): boolean {
    if (this.seen.has(uid)) return false;
    this.seen.add(uid);
    if (this.seen.size > REMEMBERED_UIDS) {
      for (const oldest of this.seen) {
        this.seen.delete(oldest);
        break;
      }
    }
    return true;
  }
}
