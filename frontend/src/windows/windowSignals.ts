/** Signals between Django and a page (`instant.windows` in Python and in JavaScript). */

import { METHOD_NOT_FOUND, NOT_AVAILABLE } from "../core/codes.js";
import type { JsonValue } from "../core/json.js";
import type { Undo } from "../core/listeners.js";
import { EVERY } from "../core/messages.js";
import { ConnectionWait, type ConnectionWaitOwner } from "../core/waitForConnection.js";
import { CallRefused } from "./callErrors.js";
import { type CallOptions, type CallOpts, Calls } from "./calls.js";
import { type FormField, formFields } from "./formFields.js";
import { type SignalFunction, type SignalOpts, Signals } from "./signals.js";

/** `instant.windows`, and `DFSignals` in pages. */
export interface InstantWindows {
  /** Run a function whenever the signal is called in this window, by itself or by Django. */
  connect<Opts = SignalOpts>(name: string, run: SignalFunction<Opts>): Undo;
  /** Call the functions that are connected in this window, then those in Python. Resolves with the result of Python. */
  call(name: string, opts?: CallOpts, options?: CallOptions): Promise<JsonValue>;
  /** Return the fields of a form, or of the form that an element belongs to. */
  form(element: Element): FormField[];
}

/** Django's reason if no function in Python is connected to the signal. */
const NO_SIGNAL = "there is no such signal";

/** The signals of a session. */
export class Windows {
  readonly signals = new Signals();
  readonly calls: Calls;
  readonly connectionWait: ConnectionWait;

  /** With `connects` the first call connects, as `subscribe()` does. */
  constructor(owner: ConnectionWaitOwner, connects: boolean) {
    this.connectionWait = new ConnectionWait(owner, connects);
    this.calls = new Calls(this.connectionWait);
    owner.events.signals.on(EVERY, ({ data }) => this.signals.receive(data));
  }

  async call(name: string, opts: CallOpts = {}, options?: CallOptions): Promise<JsonValue> {
    const isKnown = this.signals.has(name);
    // This copies `opts` before a function of this window may change them. It is sent after those functions.
    const answer = this.calls.call(name, opts, options);
    this.signals.run(name, opts);
    try {
      return await answer;
    } catch (error) {
      // A signal may have functions in windows only.
      if (isKnown && error instanceof CallRefused && isUnknown(error)) return null;
      throw error;
    }
  }

  /** The functions that pages use. They need no `this`. */
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
