/**
 * Starts the servers that the tests run against: the devserver, and Centrifugo where it is on PATH; and the worker of
 * their sockets.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

export interface Server {
  readonly name: string;
  readonly port: number;
}

declare module "vitest" {
  interface ProvidedContext {
    servers: Server[];
    /** One of each kind that allows a user one connection. */
    limitedServers: Server[];
    /** Whether there is a worker of sockets. */
    sockets: boolean;
    /** The user whom the worker knows, with the `meta` that Django signs into the user's tokens. */
    socketUser: { readonly sub: string; readonly meta: object } | null;
  }
}

export const HMAC_KEY = "a-key-for-the-tests-of-the-frontend-only";
export const API_KEY = "an-api-key-for-the-tests";

/** What a server's config says of its sockets. */
interface Sockets {
  readonly proxy: object;
  readonly namespace: object;
  readonly user: { readonly sub: string; readonly meta: object };
}

const root = fileURLToPath(new URL("../../../", import.meta.url));

function python(): string {
  const venv = join(root, ".venv", "bin", "python");
  return process.env["INSTANT_PYTHON"] ?? (existsSync(venv) ? venv : "python3");
}

const kinds: { readonly [name: string]: { command: () => string; args: string[]; probe: string[] } } = {
  devserver: { command: python, args: ["-m", "instant.devserver"], probe: ["-c", "import instant.devserver.__main__"] },
  centrifugo: { command: () => "centrifugo", args: ["-c"], probe: ["version"] },
};

function config(port: number, sockets: Sockets | null, limits: object = {}): object {
  const recovering = { history_ttl: "600s", force_recovery: true };
  return {
    http_server: { address: "127.0.0.1", port },
    log: { level: "error" },
    client: { token: { hmac_secret_key: HMAC_KEY }, concurrency: 8, channel_limit: 1000, ...limits },
    http_api: { key: API_KEY },
    health: { enabled: true },
    usage_stats: { disabled: true },
    channel: {
      proxy: sockets?.proxy ?? {},
      without_namespace: { history_size: 300, ...recovering },
      namespaces: [
        { name: "short", history_size: 2, ...recovering },
        { name: "seen", presence: true, join_leave: true, allow_presence_for_subscriber: true },
        { name: "kept", presence: true },
        { name: "open", history_size: 300, allow_publish_for_subscriber: true, allow_publish_for_anonymous: true, ...recovering },
        ...(sockets === null ? [] : [sockets.namespace]),
      ],
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  const url = `http://127.0.0.1:${port}/api/info`;
  const request = { method: "POST", headers: { "X-API-Key": API_KEY }, body: "{}" };
  for (let attempt = 0; attempt < 150; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    if (await fetch(url, request).then((response) => response.ok, () => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("the server does not answer");
}

/** Start the worker, and return what it says of itself; null where its libraries are not there. */
async function work(running: ChildProcess[]): Promise<Sockets | null> {
  if (spawnSync(python(), ["-c", "import aiohttp, grpc"], { cwd: root }).status !== 0) return null;
  const script = join(root, "frontend", "tests", "support", "worker.py");
  const ports = [await freePort(), await freePort()].map(String);
  const env = { ...process.env, PYTHONPATH: root };
  const child = spawn(python(), [script, ...ports], { cwd: root, env, stdio: ["ignore", "pipe", "ignore"] });
  running.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = (await lines.next()) as { value?: string };
  if (line.value === undefined) throw new Error("the worker of sockets does not start");
  return JSON.parse(line.value) as Sockets;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "instant-frontend-"));
  const running: ChildProcess[] = [];
  const servers: Server[] = [];
  const limitedServers: Server[] = [];
  const absent: string[] = [];
  const start = async (name: string, [program = "", ...args]: string[], content: (port: number) => object): Promise<Server> => {
    const port = await freePort();
    const path = join(folder, `${name}-${port}.json`);
    writeFileSync(path, JSON.stringify(content(port)));
    const child = spawn(program, [...args, path], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
    running.push(child);
    await answers(port, child);
    return { name, port };
  };
  const stop = async (): Promise<void> => {
    for (const child of running) {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      if (child.exitCode === null && child.kill()) await gone;
    }
    rmSync(folder, { recursive: true });
    for (const name of absent) console.warn(`\nSKIPPED: no ${name} here, its part of the live tests did not run`);
  };
  try {
    const sockets = await work(running);
    if (sockets === null) absent.push("worker of sockets");
    project.provide("sockets", sockets !== null);
    project.provide("socketUser", sockets?.user ?? null);
    for (const [name, { command, args, probe }] of Object.entries(kinds)) {
      if (spawnSync(command(), probe, { cwd: root }).status !== 0) {
        absent.push(name);
        continue;
      }
      servers.push(await start(name, [command(), ...args], (port) => config(port, sockets)));
      const limited = (port: number): object => config(port, null, { user_connection_limit: 1 });
      limitedServers.push(await start(name, [command(), ...args], limited));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  project.provide("servers", servers);
  project.provide("limitedServers", limitedServers);
  return stop;
}
