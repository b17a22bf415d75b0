// The page of the agent that ships, over real programs on loopback.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { close, open, until } from "./browser.js";
import { agent, freePort, whyNoAgent } from "./server.js";

after(close);

const run = (program, ...options) => new Promise((done) => execFile(program, options, { timeout: 20000 }, () => done()));

describe("the agent as it ships", () => {
  it("shows what a real program with a hostile name did, harmlessly", { skip: whyNoAgent() || false }, async () => {
    const name = "<img src=x onerror=window.pwned=1>";
    const folder = mkdtempSync(join(tmpdir(), "sockwatch-page-"));
    const hostile = join(folder, name);
    copyFileSync("/usr/bin/curl", hostile);
    const server = createServer((_, answer) => answer.end("x".repeat(200_000))).listen(0, "127.0.0.1");
    await new Promise((done) => server.once("listening", done));
    const served = `http://127.0.0.1:${server.address().port}/`;
    const nobody = await freePort();
    const watched = await agent();
    try {
      const page = await open(watched.url);
      for (let i = 0; i < 5; i++) await run(hostile, "-s", "-o", "/dev/null", served);

      await page.fill("#q", `exe:"${name}" port:${server.address().port}`);
      await until(page, () => document.querySelectorAll("#edges tr").length === 1);
      const row = page.locator("#edges tr");
      assert.match(await row.textContent(), /<img src=x onerror=window\.pwned=1>/);
      await until(page, () => document.querySelector("#edges .received").textContent === "1 MB");
      // The list has the latest of the whole machine, so it fails until it is seen among them.
      const isListed = (port) => [...document.querySelectorAll("#event-list li")].some((item) => item.textContent.includes(`:${port}`) && item.textContent.includes("connection refused"));
      const deadline = Date.now() + 120000;
      while (!(await page.evaluate(isListed, nobody))) {
        assert.ok(Date.now() < deadline, `no refused connection to port ${nobody} in ${await page.textContent("#event-list")}`);
        await run(hostile, "-s", `http://127.0.0.1:${nobody}/`);
        await page.waitForTimeout(300);
      }
      await row.locator("a").click();
      await until(page, () => document.querySelectorAll("#detail [data-block=processes] tbody tr").length === 5);
      const detail = await page.textContent("#detail");
      assert.ok(detail.includes(hostile), "the executable's path");
      assert.match(detail, /Connects5/);
      assert.match(detail, /Connects took/);
      assert.equal(await page.evaluate(() => window.pwned), undefined);
      assert.ok((await page.$$eval("#hooks tr", (all) => all.length)) >= 5);
      await page.done();
    } finally {
      await watched.stop();
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true });
    }
  });

  it("keeps what failed also where nobody wants flow records", { skip: whyNoAgent() || false }, async () => {
    const nobody = await freePort();
    const watched = await agent({ flowLog: "none" });
    try {
      await run("/usr/bin/curl", "-s", `http://127.0.0.1:${nobody}/`);
      const get = (path) => fetch(`${watched.url}api/v1/${path}`).then((answer) => answer.json());
      const deadline = Date.now() + 60000;
      let failure;
      while (!failure) {
        assert.ok(Date.now() < deadline, "the failure is not listed");
        failure = (await get("events?limit=500")).events.find((event) => event["network.peer.port"] === nobody && event["process.executable.name"] === "curl");
      }
      assert.equal(failure["event.name"], "flow.failed");
      assert.equal(failure["error.type"], "connection_refused");
      const { records } = await get("node");
      assert.deepEqual([records.on, records.all], [true, false]);

      const page = await open(watched.url);
      await page.fill("#q", `exe:curl port:${nobody}`);
      await until(page, () => document.querySelectorAll("#edges tr").length === 1);
      await page.locator("#edges tr a").click();
      await until(page, () => document.querySelectorAll("#detail [data-block=processes] tbody tr").length === 1);
      await page.done();
    } finally {
      await watched.stop();
    }
  });
});
