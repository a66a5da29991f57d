import { InstantError } from "./errors.js";
import { Deferred } from "./listeners.js";
import type { Credentials, Tokens } from "./tokens.js";

/** What one request will ask for: `names`, or all channels of the user. */
interface Batch {
  readonly names: Set<string>;
  all: boolean;
  readonly done: Deferred;
}

/** What a renewal needs from its session. */
export interface RenewalOwner {
  request(names: readonly string[] | null, signal: AbortSignal): Promise<Credentials>;
  /** Keep a new answer; `since` is when it was asked for. */
  adopt(credentials: Credentials, names: readonly string[] | null, since: number): void;
  failed(error: unknown): void;
  /** Milliseconds to wait after so many failed requests in a row. */
  delay(failures: number): number;
}

/** Asks Django for tokens: one request at a time, and one for all that is asked for meanwhile or in one tick. */
export class Renewal {
  private batch: Batch | null = null;
  private running = false;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private abort = new AbortController();
  private failures = 0;

  constructor(
    private readonly owner: RenewalOwner,
    private readonly tokens: Tokens,
  ) {}

  /** Ask for the tokens of these channels (null: of all the user has), and for a connection token with them. */
  ask(names: readonly string[] | null): Promise<void> {
    this.batch ??= { names: new Set(), all: false, done: new Deferred() };
    if (names === null) this.batch.all = true;
    for (const name of names ?? []) this.batch.names.add(name);
    this.schedule();
    return this.batch.done.promise;
  }

  /** Forget what is asked for; whatever is under way is not adopted any more. */
  cancel(): void {
    this.abort.abort();
    this.abort = new AbortController();
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.running = false;
    this.failures = 0;
    this.batch?.done.reject(new InstantError("the request for tokens was given up"));
    this.batch = null;
  }

  private schedule(): void {
    if (this.timer !== null || this.running || this.batch === null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      if (this.batch !== null) void this.run(this.batch);
    }, this.owner.delay(this.failures));
  }

  private async run(batch: Batch): Promise<void> {
    this.batch = null;
    const names = batch.all ? null : [...batch.names].filter((name) => this.tokens.channel(name) === null);
    if (names?.length === 0 && this.tokens.connection !== null) {
      batch.done.resolve();
      return;
    }
    const { signal } = this.abort;
    this.running = true;
    try {
      await this.fetch(names, signal);
      batch.done.resolve();
    } catch (error) {
      batch.done.reject(error as Error);
      if (!signal.aborted) this.owner.failed(error);
    }
    if (signal.aborted) return;
    this.running = false;
    this.schedule();
  }

  private async fetch(names: readonly string[] | null, signal: AbortSignal): Promise<void> {
    const since = Date.now();
    this.failures += 1;
    const credentials = await this.owner.request(names, signal);
    if (signal.aborted) throw new InstantError("the request for tokens was given up");
    this.failures = 0;
    this.owner.adopt(credentials, names, since);
  }
}
