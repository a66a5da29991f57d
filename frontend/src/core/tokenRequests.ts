/** Token requests to Django: batched, one at a time, with retries after a delay. */

import { Deferred } from "./deferred.js";
import { InstantError } from "./errors.js";
import type { Credentials, Tokens } from "./credentials.js";

/** The calls of `ask` for the next request: for the channels `names`, or with `all` for all channels of the user. */
interface Batch {
  readonly names: Set<string>;
  all: boolean;
  readonly done: Deferred;
}

/** The number of channels that Django accepts in one request: as many as a connection may join. */
const MAX_NAMES = 1024;

function* parts(names: readonly string[] | null): Generator<readonly string[] | null> {
  if (names === null || names.length <= MAX_NAMES) return yield names;
  for (let from = 0; from < names.length; from += MAX_NAMES) yield names.slice(from, from + MAX_NAMES);
}

/** The account, as the renewal uses it. */
export interface TokenRenewalOwner {
  request(names: readonly string[] | null, signal: AbortSignal): Promise<Credentials>;
  /** Store an answer. `since` is the time of the request, in milliseconds since the epoch. */
  keep(credentials: Credentials, names: readonly string[] | null, since: number): void;
  failed(error: unknown): void;
  /** Return the delay in milliseconds before the next request, after this number of failures in a row. */
  delay(failures: number): number;
}

/**
 * Batches token requests. All calls of `ask` in one turn of the event loop share a request. All calls during a request
 * share the next one.
 */
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

  /** Request a connection token and the tokens of these channels; with null, of all the user's channels. */
  ask(names: readonly string[] | null): Promise<void> {
    this.batch ??= { names: new Set(), all: false, done: new Deferred() };
    if (names === null) this.batch.all = true;
    for (const name of names ?? []) this.batch.names.add(name);
    this.schedule();
    return this.batch.done.promise;
  }

  /** Reject the pending calls of `ask`, and ignore the answer to the current request. */
  cancel(): void {
    this.abort.abort();
    this.abort = new AbortController();
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.running = false;
    this.failures = 0;
    this.batch?.done.reject(new InstantError("the request for tokens was cancelled"));
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
    if (signal.aborted) throw new InstantError("the request for tokens was cancelled");
    this.failures = 0;
    this.owner.keep(credentials, names, since);
  }
}
