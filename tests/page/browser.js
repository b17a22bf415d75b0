// A headless Chromium whose pages note every breach of their policy, every error and every request to another host.

import { chromium } from "playwright-core";
import axe from "axe-core";
import assert from "node:assert/strict";

/** A machine that is busy with others may take its time. */
const PATIENCE = 120000;

let browser;

export async function open(url, { width = 1280, height = 900, scheme = "light", script = true, path = "" } = {}) {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, javaScriptEnabled: script, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const troubles = [];
  page.on("console", (message) => message.type() === "error" && troubles.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => troubles.push(`error: ${error.stack}`));
  page.on("request", (request) => !request.url().startsWith(url) && troubles.push(`request: ${request.url()}`));
  if (script) {
    await page.addInitScript(() => {
      window.breaches = [];
      document.addEventListener("securitypolicyviolation", (event) => window.breaches.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
    });
  }
  await page.goto(url + path);
  if (script) await page.waitForSelector("html.live #edges tr, html.live #no-edges:not([hidden])", { state: "attached" });
  return Object.assign(page, {
    troubles,
    async done() {
      const breaches = script ? await page.evaluate(() => window.breaches) : [];
      await context.close();
      assert.deepEqual([...troubles, ...breaches], []);
    },
  });
}

export const close = () => browser?.close();

/** Waits until a function of the page says so. */
export const until = (page, condition, argument) => page.waitForFunction(condition, argument, { timeout: PATIENCE, polling: 50 });

/** A tick of the page's own clock: its next answer from the agent is shown. */
export async function tick(page, times = 1) {
  for (let i = 0; i < times; i++) {
    await page.waitForResponse((answer) => answer.url().includes("/api/v1/edges") && answer.ok());
    await page.waitForTimeout(150);
  }
}

export async function isAccessible(page, what) {
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document));
  assert.ok(passes.length > 20, `${what}: only ${passes.length} rules applied`);
  assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`), [], what);
}

/** Processor time of all pages so far. */
export async function rendererSeconds() {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter((one) => one.type === "renderer").reduce((sum, one) => sum + one.cpuTime, 0);
}

export const texts = (page, selector) => page.$$eval(selector, (all) => all.map((one) => one.textContent));
