/** The JavaScript functions that are connected to signals in this window. */

import { isObject, type JsonValue } from "../core/json.js";
import { FunctionsByName, type Undo } from "../core/listeners.js";

/** The arguments of a signal. */
export type SignalOpts = { readonly [name: string]: JsonValue };
/** A function connected to a signal. `Opts` is the type that it expects. It is not checked at run time. */
export type SignalFunction<Opts = SignalOpts> = (opts: Opts) => void;

/** The functions by the name of their signal. */
export class Signals {
  private readonly byName = new FunctionsByName<(opts: object) => void>();

  connect<Opts = SignalOpts>(name: string, run: SignalFunction<Opts>): Undo {
    return this.byName.add(name, run as unknown as (opts: object) => void);
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  /** Run the functions of a signal in the order in which they were connected. If one throws, the others still run. */
  run(name: string, opts: object): void {
    for (const { run } of [...this.byName.get(name)]) {
      try {
        run(opts);
      } catch (error) {
        console.error(`instant: a function connected to the signal ${name} threw`, error);
      }
    }
  }

  /** Run the functions of the signal in the `data` of a message. */
  receive(data: unknown): void {
    const { name, opts } = isObject(data) ? data : {};
    if (typeof name === "string") this.run(name, isObject(opts) ? opts : {});
  }
}
