import { isObject, type JsonValue } from "../message.js";
import { copied, MAX_SENT_BYTES } from "../outgoing.js";
import { CallRefused, callError } from "./errors.js";
import type { Line } from "../line.js";

export interface CallOptions {
  /** Do not wait for the answer to the call before it of the same signal: they may then run in any order. */
  parallel?: boolean;
}

/** What a call sends. JSON is made of it at once: changing it later changes nothing. */
export type CallOpts = object;

const TOO_LARGE = 413;

/** Calls of functions in Python. Those of one signal run one after the other, as the server would reorder them. */
export class Calls {
  private readonly last = new Map<string, Promise<void>>();

  constructor(private readonly line: Pick<Line, "client">) {}

  /** Resolves with what the function returned; with `{queued: true}` where a queue has it, or several have run. */
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
      const client = await this.line.client();
      return value((await client.rpc(name, data)).data as unknown);
    } catch (error) {
      throw callError(name, error);
    }
  }
}

function checked(name: string, opts: CallOpts): unknown {
  const { copy, bytes } = copied(opts);
  if (bytes + name.length > MAX_SENT_BYTES) throw new CallRefused(name, TOO_LARGE, "the call is too large");
  return copy;
}

function value(answer: unknown): JsonValue {
  if (isObject(answer) && "value" in answer) return answer["value"] as JsonValue;
  return (answer ?? null) as JsonValue;
}
