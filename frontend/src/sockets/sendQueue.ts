/** The queue of messages that a socket sends. */

/** The maximum distance between a message and the oldest unanswered one. The worker buffers at most 1,000 messages. */
const MAX_AHEAD = 500;

/**
 * Sends messages to one subscription of a socket, numbered from 0. The server processes messages concurrently, so they
 * may arrive out of order. The worker restores the order, if no message is too far ahead.
 */
export class SendQueue {
  /** The size in bytes of the unanswered messages, including those that wait. */
  bytes = 0;
  private number = 0;
  private readonly waiting: { readonly content: object; readonly bytes: number }[] = [];
  /** Numbers of messages, in ascending order. */
  private readonly unanswered = new Set<number>();

  constructor(private readonly publish: (envelope: object) => Promise<unknown>) {}

  put(content: object, bytes: number): void {
    this.bytes += bytes;
    this.waiting.push({ content, bytes });
    this.pump();
  }

  /** Drop the messages that were not sent yet. Otherwise the SDK would send them to the next subscription. */
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
    // If publishing fails, the worker misses the number and closes the socket.
    this.publish({ n: number, ...content }).then(answered, answered);
  }
}
