/** Requests tokens from Django when they are needed: one request at a time. */

import { Deferred } from "./deferred.js";
import { InstantError } from "./errors.js";
import type { Credentials, Tokens } from "./credentials.js";

/** What one request will ask for: the channels `names`, or all channels of the user. */
interface Batch {
  readonly names: Set<string>;
  all: boolean;
  readonly done: Deferred;
}

/** Names that Django takes in one request: as many channels as a connection may join. */
const MAX_NAMES = 1024;

function* parts(names: readonly string[] | null): Generator<readonly string[] | null> {
  if (names === null || names.length <= MAX_NAMES) return yield names;
  for (let from = 0; from < names.length; from += MAX_NAMES) yield names.slice(from, from + MAX_NAMES);
}

/** What the renewal needs from its account. */
export interface TokenRenewalOwner {
  request(names: readonly string[] | null, signal: AbortSignal): Promise<Credentials>;
  /** Keep a new answer; `since` is the time of the request, in milliseconds. */
  keep(credentials: Credentials, names: readonly string[] | null, since: number): void;
  failed(error: unknown): void;
  /** Milliseconds to wait after so many failed requests in a row. */
  delay(failures: number): number;
}

/** Whatever is asked for during a request, or in one turn of the event loop, becomes one request. */
export class TokenRenewal {
  private batch: Batch | null = null;
  private running = false;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private abort = new AbortController();
  private failures = 0;

  constructor(
    private readonly owner: TokenRenewalOwner,
    private readonly tokens: Tokens,
  ) {}

  /** Ask for the tokens of these channels, or with null of all the user's channels, and for a connection token. */
  ask(names: readonly string[] | null): Promise<void> {
    this.batch ??= { names: new Set(), all: false, done: new Deferred() };
    if (names === null) this.batch.all = true;
    for (const name of names ?? []) this.batch.names.add(name);
    this.schedule();
    return this.batch.done.promise;
  }

  /** Reject what was asked for, and ignore the answer to the request under way. */
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
    for (const part of parts(names)) await this.fetchPart(part, signal);
  }

  private async fetchPart(names: readonly string[] | null, signal: AbortSignal): Promise<void> {
    const since = Date.now();
    this.failures += 1;
    const credentials = await this.owner.request(names, signal);
    if (signal.aborted) throw new InstantError("the request for tokens was given up");
    this.failures = 0;
    this.owner.keep(credentials, names, since);
  }
}
