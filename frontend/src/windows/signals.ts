import type { Undo } from "../listeners.js";
import { isObject, type JsonValue } from "../message.js";

/** What a signal carries. */
export type SignalOpts = { readonly [name: string]: JsonValue };
/** A function connected to a signal. `Opts` is what it expects: nobody looks whether that is so. */
export type SignalFunction<Opts = SignalOpts> = (opts: Opts) => void;

/** The functions of this window, by the signal's name. */
export class Signals {
  private readonly byName = new Map<string, Set<{ run: (opts: object) => void }>>();

  connect<Opts = SignalOpts>(name: string, run: SignalFunction<Opts>): Undo {
    const entry = { run: run as unknown as (opts: object) => void };
    const entries = this.byName.get(name) ?? new Set();
    this.byName.set(name, entries.add(entry));
    return () => {
      entries.delete(entry);
      if (entries.size === 0 && this.byName.get(name) === entries) this.byName.delete(name);
    };
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  /** Run the functions, in the order in which they were connected; one that throws stops nobody. */
  run(name: string, opts: object): void {
    for (const { run } of [...(this.byName.get(name) ?? [])]) {
      try {
        run(opts);
      } catch (error) {
        console.error(`instant: a function of the signal ${name} threw`, error);
      }
    }
  }

  /** Run what the `data` of a message names. */
  receive(data: unknown): void {
    const { name, opts } = isObject(data) ? data : {};
    if (typeof name === "string") this.run(name, isObject(opts) ? opts : {});
  }
}
