/** Sends the messages of a socket in order. */

/** How far a message may be ahead of an unanswered one. The worker keeps at most 1,000 that arrive too early. */
const MAX_AHEAD = 500;

/**
 * The messages sent to one subscription of a socket, numbered from 0. The server handles several messages at once, and
 * so reorders them; the worker restores the order, as long as none is too far ahead.
 */
export class SendQueue {
  /** Size in bytes of the messages that have no answer. */
  bytes = 0;
  private number = 0;
  private readonly waiting: { readonly content: object; readonly bytes: number }[] = [];
  /** Lowest first. */
  private readonly unanswered = new Set<number>();

  constructor(private readonly publish: (envelope: object) => Promise<unknown>) {}

  put(content: object, bytes: number): void {
    this.bytes += bytes;
    this.waiting.push({ content, bytes });
    this.pump();
  }

  /** Drop what was not sent yet: the SDK would send it to the next subscription. */
  stop(): void {
    this.waiting.length = 0;
  }

  private pump(): void {
    const [oldest = this.number] = this.unanswered;
    while (this.number < oldest + MAX_AHEAD) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      this.send(next.content, next.bytes);
    }
  }

  private send(content: object, bytes: number): void {
    const { number } = this;
    this.number += 1;
    this.unanswered.add(number);
    const answered = (): void => {
      this.unanswered.delete(number);
      this.bytes -= bytes;
      this.pump();
    };
    // If it fails, the worker misses its number and ends the socket.
    this.publish({ n: number, ...content }).then(answered, answered);
  }
}
