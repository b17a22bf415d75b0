// Programs under test: the made-up node, and the agent as it ships.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const root = resolve(import.meta.dirname, "../..");
const pageServer = join(root, "artifacts/dotnet/bin/Sockwatch.PageServer/release/Sockwatch.PageServer");
export const agentPath = process.env.SOCKWATCH_AGENT ?? join(root, "artifacts/agent/sockwatch");

export const freePort = () => new Promise((done) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => done(port));
  });
});

/** The agent's aggregation and listener over a node that is made up; say() steers it. */
export async function madeUpNode(...options) {
  const child = spawn(pageServer, options, { stdio: ["pipe", "pipe", "pipe"] });
  const said = whatItSays(child);
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await answers.next();
    if (done) throw new Error(`the made-up node ended: ${await said()}`);
    return value;
  };
  const url = await answer();
  return {
    url,
    async say(line) {
      child.stdin.write(`${line}\n`);
      const value = await answer();
      if (value !== "ok") throw new Error(value);
    },
    async stop() {
      child.stdin.end();
      await ended(child, 8000);
    },
  };
}

/** Why the real agent cannot be driven here; empty when it can. */
export const whyNoAgent = () => process.getuid() !== 0 ? "not root: loading BPF programs is not permitted"
  : !existsSync("/sys/kernel/btf/vmlinux") ? "this kernel carries no type information"
  : !existsSync(agentPath) ? "artifacts/agent/sockwatch is missing: run 'make build' first" : "";

/** The agent that ships, ready; with a flow log unless told otherwise. */
export async function agent({ flowLog = "flows.json" } = {}) {
  const state = mkdtempSync(join(tmpdir(), "sockwatch-page-"));
  const port = await freePort();
  // It sees every socket of the machine: what others do in the meantime must not push out what the test looks for.
  const child = spawn(agentPath, ["run", "--listen", `127.0.0.1:${port}`, "--flow-log", flowLog === "none" ? "none" : join(state, flowLog)], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, SOCKWATCH__STATEDIRECTORY: state, SOCKWATCH__HTTP__RECENTRECORDS: "5000" },
  });
  const said = whatItSays(child);
  const stop = async () => {
    child.kill("SIGTERM");
    await ended(child, 10000);
    rmSync(state, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}/`;
  const deadline = Date.now() + 60000;
  let lastAnswer = "no answer";
  for (;;) {
    const answer = await fetch(`${url}readyz`).catch(() => null);
    if (answer?.ok) break;
    if (answer) lastAnswer = `${answer.status} ${await answer.text()}`;
    if (hasEnded(child) || Date.now() > deadline) {
      const how = hasEnded(child) ? `ended with ${child.exitCode ?? child.signalCode}` : `is not ready after a minute (${lastAnswer})`;
      await stop();
      throw new Error(`the agent ${how}: ${await said()}`);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  return { url, stop };
}

const hasEnded = (child) => child.exitCode !== null || child.signalCode !== null;

/** Waits for a program that was told to end; one that does not is killed. */
async function ended(child, milliseconds) {
  if (hasEnded(child)) return;
  const end = new Promise((done) => child.once("exit", done));
  const patience = setTimeout(() => child.kill("SIGKILL"), milliseconds);
  await end;
  clearTimeout(patience);
}

/** Collects the standard error of a program; the function gives the last of it, once there is no more. */
function whatItSays(child) {
  let text = "";
  let missing = "";
  child.on("error", (error) => { missing = error.message; });
  child.stderr.setEncoding("utf8").on("data", (more) => { text = (text + more).slice(-4000); });
  const over = new Promise((done) => child.once("close", done));
  return async () => {
    if (hasEnded(child) || missing) await over;
    return (missing || text.trim() || "it said nothing");
  };
}
