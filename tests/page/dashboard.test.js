// The dashboards over a real Prometheus that scrapes the agent's own /metrics of a made-up node. What they show is checked, and drawn
// into artifacts/dashboards for people to look at. Every query over the real agent: tests/Sockwatch.DeployTests/Grafana.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { close, open } from "./browser.js";
import { ask, draw } from "./dashboard.js";
import { freePort, madeUpNode } from "./server.js";

const root = resolve(import.meta.dirname, "../..");
const folder = join(root, "deploy/helm/sockwatch/files/dashboards");
const pictures = join(root, "artifacts/dashboards");
const isForDocuments = process.env.UPDATE_PICTURES === "1";
const SECONDS = isForDocuments ? 150 : 20;
// What a healthy node has none of.
const emptyIsGood = ["Hooks that are missing"];

after(close);

describe("the dashboards", { skip: existsSync("/usr/bin/prometheus") ? false : "prometheus is not installed (Debian package prometheus)" }, () => {
  let node;
  let prometheus;
  let data;
  let url;

  before(async () => {
    node = await madeUpNode("edges=30");
    data = mkdtempSync(join(tmpdir(), "sockwatch-page-"));
    const port = await freePort();
    writeFileSync(join(data, "prometheus.yml"), `global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: sockwatch
    static_configs: [{targets: ["${new URL(node.url).host}"], labels: {instance: node-1}}]
`);
    prometheus = spawn("/usr/bin/prometheus", [`--config.file=${data}/prometheus.yml`, `--storage.tsdb.path=${data}/data`,
      `--web.listen-address=127.0.0.1:${port}`, "--log.level=error"], { stdio: "ignore" });
    url = `http://127.0.0.1:${port}`;
    mkdirSync(pictures, { recursive: true });
    const until = Date.now() + 1000 * (SECONDS + 60);
    for (let scrapes = 0; scrapes < SECONDS; ) {
      assert.ok(Date.now() < until, "Prometheus does not scrape the made-up node");
      await new Promise((done) => setTimeout(done, 1000));
      if (scrapes % 8 === 3) {
        await node.say("fail 12");
        await node.say("detect python3.12");
      }
      const answer = await fetch(`${url}/api/v1/query?query=count_over_time(sockwatch_build_info[10m])`).then((one) => one.json(), () => null);
      scrapes = Number(answer?.data?.result[0]?.value[1] ?? 0);
    }
  });

  after(async () => {
    const ended = new Promise((done) => prometheus.once("exit", done));
    prometheus.kill("SIGKILL");
    await ended;
    rmSync(data, { recursive: true });
    await node.stop();
  });

  for (const file of readdirSync(folder).sort()) {
    it(`${file} shows what it says`, async () => {
      const dashboard = JSON.parse(readFileSync(join(folder, file), "utf8"));
      const variables = { node: ".*", namespace: ".*", workload: "gateway", hidden: "none", edges: "50", selector: "", find: "" };
      const shown = await ask(dashboard, url, { seconds: SECONDS, variables });

      const page = await open(`data:text/html,<html class=live><div id=edges><table><tr>`, { width: 1600, height: 900 });
      await page.setContent(draw(shown, "drawn by tests/page from the dashboard's own JSON and a real Prometheus, over a made-up node"));
      await page.screenshot({ path: join(pictures, file.replace(".json", ".png")), fullPage: true });
      if (isForDocuments && file === "sockwatch-overview.json") {
        await page.screenshot({ path: join(root, "docs/images/dashboard-overview.png"), clip: { x: 0, y: 0, width: 1600, height: 960 } });
      }
      await page.context().close();

      // Of what the made-up node has no series, it cannot show any; the test over the real agent asks for all.
      const served = new Set((await (await fetch(`${node.url}metrics`)).text()).split("\n").map((line) => line.match(/^sockwatch_\w+/)?.[0]));
      const isServed = ({ panel }) => panel.targets.some(({ expr }) => expr.match(/\bsockwatch_\w+/g).every((name) => served.has(name)));
      const empty = shown.panels.filter((one) => one.panel.type !== "row" && one.isEmpty && !one.isOfLoki && isServed(one)).map(({ panel }) => panel.title);
      assert.deepEqual(empty.filter((title) => !emptyIsGood.includes(title)), []);
      for (const { panel, series, table } of shown.panels) {
        if (table) assert.deepEqual(table.unplaced, [], `${panel.title} has columns that the dashboard does not place`);
        if (panel.type === "timeseries") {
          const names = series.map(({ name }) => name.trim());
          assert.equal(new Set(names).size, names.length, `${panel.title} has two lines of one name: ${names}`);
          assert.ok(names.every((name) => name && !name.includes("{{")), `${panel.title}: ${names}`);
        }
      }
    });
  }
});
