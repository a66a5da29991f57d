/** Signals between Django and a page (`instant.windows` in Python and in JavaScript). */

import { METHOD_NOT_FOUND, NOT_AVAILABLE } from "../core/codes.js";
import type { JsonValue } from "../core/json.js";
import type { Undo } from "../core/listeners.js";
import { EVERY } from "../core/messages.js";
import { NO_SUCH_SIGNAL } from "../core/protocol.js";
import { ConnectionWait, type ConnectionWaitOwner } from "../core/waitForConnection.js";
import { CallRefused } from "./callErrors.js";
import { type CallOptions, type CallOpts, Calls } from "./calls.js";
import { type FormField, formFields } from "./formFields.js";
import { type SignalFunction, type SignalOpts, Signals } from "./signals.js";

/** The interface of `instant.windows`, and of `DFSignals` in pages. */
export interface InstantWindows {
  /** Run a function each time this window or Django calls the signal. */
  connect<Opts = SignalOpts>(name: string, run: SignalFunction<Opts>): Undo;
  /**
   * Call the functions that are connected in this window, then those in Python. Resolves with the result from Python;
   * null if only this window has functions for the signal. Rejects as `instant.call()` does.
   */
  call(name: string, opts?: CallOpts, options?: CallOptions): Promise<JsonValue>;
  /** Return the fields of a form, or of the form that an element belongs to, without files. */
  form(element: Element): FormField[];
}

/** The signals of a session. */
export class Windows {
  readonly signals = new Signals();
  readonly calls: Calls;
  readonly connectionWait: ConnectionWait;

  /** With `connects`, the first call opens a connection, as `subscribe()` does. */
  constructor(owner: ConnectionWaitOwner, connects: boolean) {
    this.connectionWait = new ConnectionWait(owner, connects);
    this.calls = new Calls(this.connectionWait);
    owner.events.signals.on(EVERY, ({ data }) => this.signals.receive(data));
  }

  async call(name: string, opts: CallOpts = {}, options?: CallOptions): Promise<JsonValue> {
    const isKnown = this.signals.has(name);
    // Called first, because it copies `opts` before a function of this window can change them.
    const answer = this.calls.call(name, opts, options);
    this.signals.run(name, opts);
    try {
      return await answer;
    } catch (error) {
      // A signal may have functions in JavaScript only.
      if (isKnown && error instanceof CallRefused && isUnknown(error)) return null;
      throw error;
    }
  }

  /** The public interface. Its functions do not use `this`. */
  get functions(): InstantWindows {
    return {
      connect: (name, run) => this.signals.connect(name, run),
      call: (name, opts, options) => this.call(name, opts, options),
      form: (element) => formFields(element),
    };
  }
}

function isUnknown({ code, reason }: CallRefused): boolean {
  return reason === NO_SUCH_SIGNAL || code === METHOD_NOT_FOUND || code === NOT_AVAILABLE;
}
