/** How far a message may be ahead of one that has no answer: of those that come too early the worker keeps 1,000. */
const WINDOW = 500;

/**
 * What is sent into one stream, numbered from 0 on. The server handles several messages at once, and so reorders them;
 * the worker puts them in order again, as long as none is too far ahead.
 */
export class Pipeline {
  /** Of all that has no answer. */
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

  /** Send nothing more: the SDK would keep it for the next stream. */
  stop(): void {
    this.waiting.length = 0;
  }

  private pump(): void {
    const [oldest = this.number] = this.unanswered;
    while (this.number < oldest + WINDOW) {
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
    // One that fails is missed by the worker, which then ends the stream.
    this.publish({ n: number, ...content }).then(answered, answered);
  }
}
