/** The functions of this window that are connected to signals. */

import { isObject, type JsonValue } from "../core/json.js";
import { FunctionsByName, type Undo } from "../core/listeners.js";

/** The arguments of a signal. */
export type SignalOpts = { readonly [name: string]: JsonValue };
/** A function connected to a signal. `Opts` is the type that it expects; it is not checked. */
export type SignalFunction<Opts = SignalOpts> = (opts: Opts) => void;

export class Signals {
  private readonly byName = new FunctionsByName<(opts: object) => void>();

  connect<Opts = SignalOpts>(name: string, run: SignalFunction<Opts>): Undo {
    return this.byName.add(name, run as unknown as (opts: object) => void);
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  /** Run the functions in the order in which they were connected. One that throws does not stop the others. */
  run(name: string, opts: object): void {
    for (const { run } of [...this.byName.get(name)]) {
      try {
        run(opts);
      } catch (error) {
        console.error(`instant: a function of the signal ${name} threw`, error);
      }
    }
  }

  /** Run the functions of the signal in the `data` of a message. */
  receive(data: unknown): void {
    const { name, opts } = isObject(data) ? data : {};
    if (typeof name === "string") this.run(name, isObject(opts) ? opts : {});
  }
}
