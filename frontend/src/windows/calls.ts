/** Calls of Python functions: from `instant.call()` to the SDK's `rpc`. */

import { isObject, jsonCopy, type JsonValue, MAX_SENT_BYTES } from "../core/json.js";
import type { ConnectionWait } from "../core/waitForConnection.js";
import { callError, CallRefused } from "./callErrors.js";

/** Options of a call. */
export interface CallOptions {
  /** Do not wait for the answer to the previous call of the same signal. The calls may then run in any order. */
  parallel?: boolean;
}

/** The arguments of a call: an object of JSON values. It is copied immediately, so later changes have no effect. */
export type CallOpts = object;

const TOO_LARGE = 413;

/** Sends calls. The calls of one signal run one after the other, because the server may reorder concurrent ones. */
export class Calls {
  private readonly last = new Map<string, Promise<void>>();

  constructor(private readonly connectionWait: Pick<ConnectionWait, "client">) {}

  /** Call a signal. Resolves with the result, or with `{queued: true}` if it is queued or several functions run. */
  call(name: string, opts: CallOpts = {}, { parallel = false }: CallOptions = {}): Promise<JsonValue> {
    let data: unknown;
    try {
      data = checked(name, opts);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    if (parallel) return this.send(name, data);
    const answer = (this.last.get(name) ?? Promise.resolve()).then(() => this.send(name, data));
    const nothing = (): void => undefined;
    const done = answer.then(nothing, nothing).then(() => {
      if (this.last.get(name) === done) this.last.delete(name);
    });
    this.last.set(name, done);
    return answer;
  }

  private async send(name: string, data: unknown): Promise<JsonValue> {
    try {
      const client = await this.connectionWait.client();
      return value((await client.rpc(name, data)).data as unknown);
    } catch (error) {
      throw callError(name, error);
    }
  }
}

function checked(name: string, opts: CallOpts): unknown {
  const { copy, bytes } = jsonCopy(opts);
  if (bytes + name.length > MAX_SENT_BYTES) throw new CallRefused(name, TOO_LARGE, "the call is too large");
  return copy;
}

function value(answer: unknown): JsonValue {
  if (isObject(answer) && "value" in answer) return answer["value"] as JsonValue;
  return (answer ?? null) as JsonValue;
}
