/** Signals between Django and the page (`instant.windows` in Python). */

import type { ConnectionClosed } from "../errors.js";
import { EVERY } from "../handlers.js";
import type { Undo } from "../listeners.js";
import type { JsonValue } from "../message.js";
import { type CallOptions, type CallOpts, Calls } from "./calls.js";
import { CallRefused } from "./errors.js";
import { type FormField, formFields } from "./form.js";
import { Line, type LineOwner } from "../line.js";
import { type SignalFunction, type SignalOpts, Signals } from "./signals.js";

/** `instant.windows`, and `DFSignals` in pages. */
export interface InstantWindows {
  /** Run a function whenever the signal is called in this window, by itself or by Django. */
  connect<Opts = SignalOpts>(name: string, run: SignalFunction<Opts>): Undo;
  /** Call the functions that are connected in this window, then those in Python; resolves with the latter's value. */
  call(name: string, opts?: CallOpts, options?: CallOptions): Promise<JsonValue>;
  /** The fields of a form, or of the form that an element belongs to. */
  form(element: Element): FormField[];
}

/** What Django says where there is no such signal in Python, and what the server says where it asks nobody. */
const NO_SIGNAL = "there is no such signal";
const METHOD_NOT_FOUND = 104;
const NOT_AVAILABLE = 108;

/** The signals of a session. */
export class Windows {
  readonly signals = new Signals();
  readonly line: Line;
  private readonly calls: Calls;

  /** With `opens` a first call connects, as joining a channel does. */
  constructor(owner: LineOwner, opens: boolean) {
    this.line = new Line(owner, opens);
    this.calls = new Calls(this.line);
    owner.events.signals.on(EVERY, ({ data }) => this.signals.receive(data));
  }

  /** There will be no connection: no call waits for one. */
  refuse(error: ConnectionClosed): void {
    this.line.end(error);
  }

  /** Call the functions in Python alone. */
  ask(name: string, opts?: CallOpts, options?: CallOptions): Promise<JsonValue> {
    return this.calls.call(name, opts, options);
  }

  async call(name: string, opts: CallOpts = {}, options?: CallOptions): Promise<JsonValue> {
    const isKnown = this.signals.has(name);
    // Copied before a function of this window may change it; it leaves when they have run.
    const answer = this.calls.call(name, opts, options);
    this.signals.run(name, opts);
    try {
      return await answer;
    } catch (error) {
      // A signal need not have functions on both sides.
      if (isKnown && error instanceof CallRefused && isUnknown(error)) return null;
      throw error;
    }
  }

  /** The functions that pages use, bound. */
  get functions(): InstantWindows {
    return {
      connect: (name, run) => this.signals.connect(name, run),
      call: (name, opts, options) => this.call(name, opts, options),
      form: (element) => formFields(element),
    };
  }
}

function isUnknown({ code, reason }: CallRefused): boolean {
  return reason === NO_SIGNAL || code === METHOD_NOT_FOUND || code === NOT_AVAILABLE;
}
