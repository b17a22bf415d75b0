// The page in a real browser, over the agent's own listener. Run by tests/run page.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { close, isAccessible, open, rendererSeconds, texts, tick, until } from "./browser.js";
import { madeUpNode } from "./server.js";

after(close);

describe("a node of forty edges", () => {
  let node;
  before(async () => { node = await madeUpNode("edges=40"); await node.say("fail 5"); });
  after(() => node.stop());

  it("says what runs, what was lost and what it costs", async () => {
    const page = await open(node.url);
    await tick(page);

    assert.equal(await page.textContent("#state"), "Ready");
    const hooks = await texts(page, "#hooks tr");
    assert.ok(hooks.some((row) => row.replace(/\s+/g, " ").includes("sendtracepoint, cgroupattached")), hooks.join("|"));
    const failing = (await texts(page, "#hooks tr.failing")).map((row) => row.replace(/\s+/g, ""));
    assert.deepEqual(failing, ["resettracepointmissing", "listenkprobelost"]);
    assert.match(await page.textContent("#no-losses"), /Nothing, for any of \d\d reasons/);
    const cost = (await texts(page, "#cost tr")).join("|");
    for (const what of ["Processor", "Memory", "A reading of the totals", "Edges40 of 60,000"]) assert.ok(cost.includes(what), cost);
    // A rate takes two readings of the totals: on a slow machine the first answers know none.
    await until(page, () => /^[\d.]+ MB\/s$/.test(document.querySelector("#summary [data-f=sent]").textContent));
    await page.done();
  });

  it("goes on counting in place, without a new row or a reload", async () => {
    const page = await open(node.url);
    await page.evaluate(() => { for (const row of document.querySelectorAll("#edges tr")) row.marked = true; window.same = true; });
    const sent = () => page.$eval("#edges tr[data-id='2'] .sent, #edges tr .sent", (cell) => cell.textContent);
    const age = await page.textContent("#age");
    const first = await page.$$eval("#edges tr .out", (cells) => cells.map((cell) => cell.textContent).join());
    await sent();

    await tick(page, 3);

    assert.notEqual(await page.textContent("#age"), age);
    assert.notEqual(await page.$$eval("#edges tr .out", (cells) => cells.map((cell) => cell.textContent).join()), first);
    assert.ok(await page.evaluate(() => window.same && [...document.querySelectorAll("#edges tr")].every((row) => row.marked)));
    await page.done();
  });

  it("sorts by a column, back and forth, by mouse and by keyboard", async () => {
    const page = await open(node.url);
    const heads = () => page.$$eval("th[aria-sort]", (all) => all.map((head) => `${head.dataset.column} ${head.getAttribute("aria-sort")}`));
    const open_ = () => page.$$eval("#edges .opened", (all) => all.map((cell) => Number(cell.textContent)));

    await page.click("th[data-column=open] a");
    await until(page, () => document.querySelector("th[data-column=open]").ariaSort === "descending");
    const descending = await open_();
    assert.deepEqual(descending, [...descending].sort((a, b) => b - a));
    await page.focus("th[data-column=open] a");
    await page.keyboard.press("Enter");
    await until(page, () => document.querySelector("th[data-column=open]").ariaSort === "ascending");
    assert.deepEqual(await open_(), [...descending].reverse());
    await page.selectOption("#sort", "workload");
    await until(page, () => document.querySelector("th[data-column=workload]").ariaSort === "ascending");

    const names = await texts(page, "#edges th a");
    assert.deepEqual(names, [...names].sort());
    assert.deepEqual(await heads(), ["workload ascending"]);
    assert.match(page.url(), /sort=workload/);
    await page.done();
  });

  it("filters while one types, table and map alike", async () => {
    const page = await open(node.url);

    await page.keyboard.press("/");
    await page.keyboard.type("redis role:server");
    await until(page, () => document.querySelectorAll("#edges tr").length === 1);

    assert.equal(await page.textContent("#edges th a"), "cache");
    assert.equal(await page.textContent("#matched"), "1 of 40");
    assert.deepEqual((await texts(page, ".box .name")).sort(), ["cache", "storefront"]);
    await page.fill("#q", "no such thing");
    await until(page, () => !document.querySelector("#no-edges").hidden);
    assert.equal(await page.textContent("#no-edges"), "No flow matches the filter.");
    await page.fill("#q", "");
    await until(page, () => document.querySelectorAll("#edges tr").length === 40);
    assert.equal(new URL(page.url()).search, "");
    await page.done();
  });

  it("opens an edge in full and gives the focus back", async () => {
    const page = await open(node.url);
    const row = page.locator("#edges tr", { hasText: "orders" }).filter({ hasText: "db-1.internal" });

    await row.locator("a").focus();
    await page.keyboard.press("Enter");
    await until(page, () => document.querySelectorAll("#detail [data-block=processes] tbody tr").length > 0);

    const detail = (await page.textContent("#detail")).replace(/\s+/g, " ");
    for (const what of ["orders → db-1.internal:5432", "Deployment / shop / orders", "orders-api", "/usr/bin/orders-api", "Dns / db-1.internal", "container ", "5432", "Half within".toLowerCase()]) {
      assert.ok(detail.includes(what), `${what} in ${detail}`);
    }
    assert.match(detail, /Sent[\d.]+ GB \([\d,]+ B\)/);
    assert.match(detail, /user 1000\s*40\d\d/);
    assert.match(detail, /start.*10\.1\.2\.3:40000 → 10\.0\.0\.8:5432/);
    assert.ok(await page.evaluate(() => document.activeElement.id === "detail"));
    assert.match(page.url(), /edge=\d+/);
    const sent = await page.textContent("#detail [data-block=totals] td");
    await tick(page, 2);
    assert.notEqual(await page.textContent("#detail [data-block=totals] td"), sent);
    await page.keyboard.press("Escape");
    assert.ok(await page.isHidden("#detail"));
    assert.ok(await page.evaluate(() => document.activeElement.closest("#edges tr")?.textContent.includes("db-1.internal")));
    await until(page, () => !location.search.includes("edge"));
    await row.click();
    await page.waitForSelector("#detail:not([hidden])");
    await page.goBack();
    await page.waitForSelector("#detail", { state: "hidden" });
    await page.done();
  });

  it("opens the edge of its address, and says when one has left", async () => {
    const page = await open(node.url, { path: "?edge=3" });
    await until(page, () => document.querySelector("#detail-title")?.textContent.includes("gateway"));
    await page.done();
    const other = await open(node.url, { path: "?edge=987654" });
    await until(other, () => document.querySelector("#detail [data-f=notice]")?.hidden === false);
    assert.match(await other.textContent("#detail [data-f=notice]"), /has left the report/);
    const troubles = other.troubles.splice(0);
    assert.ok(troubles.every((trouble) => trouble.includes("404")), troubles.join());
    await other.done();
  });

  it("draws who talks to whom, callers left of whom they call", async () => {
    const page = await open(node.url);
    await tick(page);
    const at = (name) => page.locator(".box", { has: page.locator(`.name:text-is("${name}")`) }).first().boundingBox();

    const [gateway, storefront, cache] = [await at("gateway"), await at("storefront"), await at("cache")];
    assert.ok(gateway.x + gateway.width < storefront.x && storefront.x + storefront.width < cache.x);
    const boxes = await page.$$eval(".box", (all) => all.map((box) => box.getBoundingClientRect().toJSON()));
    for (const [i, a] of boxes.entries()) {
      for (const b of boxes.slice(i + 1)) {
        assert.ok(a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top, "boxes lie on each other");
      }
    }
    assert.match((await texts(page, ".line text")).join(" "), /[\d.]+ MB\/s/);
    const box = page.locator(".box", { has: page.locator('.name:text-is("cache")') });
    assert.match(await box.textContent(), /Called by storefront [\d.]+ [kM]B\/s/);
    await box.focus();
    await page.keyboard.press("Enter");
    await until(page, () => document.querySelectorAll("#edges tr").length === 2);
    assert.equal(await page.inputValue("#q"), "\"cache\"");
    assert.equal(await box.getAttribute("aria-pressed"), "true");
    assert.ok(await page.evaluate(() => document.activeElement.classList.contains("box")));
    await page.keyboard.press("Enter");
    await until(page, () => document.querySelectorAll("#edges tr").length === 40);
    await page.done();
  });

  it("lists what failed, by whom and why", async () => {
    const page = await open(node.url);
    await tick(page);
    const before = await page.$$eval("#event-list li", (all) => all.length);
    assert.ok(before >= 5);
    assert.match((await texts(page, "#event-list li"))[0].replace(/\s+/g, " "), /connection refused .*pid 40\d\d → .+:\d+/);

    await page.evaluate(() => { document.querySelector("#event-list li").marked = true; });
    await node.say("fail 3");
    await until(page, (count) => document.querySelectorAll("#event-list li").length === count + 3, before);

    assert.ok(await page.evaluate(() => document.querySelectorAll("#event-list li")[3].marked));
    await page.done();
  });

  it("lists what was detected among the failures, with a script and without", async () => {
    const page = await open(node.url);
    await node.say("detect python3.12");
    await until(page, () => document.querySelector("#event-list li .what")?.textContent === "anonymising proxy");

    const first = page.locator("#event-list li").first();
    assert.match((await first.textContent()).replace(/\s+/g, " "), /anonymising proxy ?python3\.12 ?pid 40\d\d .+search\.internal:9200/);
    assert.equal(await first.getAttribute("class"), "detected");
    await page.done();
    const still = await open(node.url, { script: false });
    assert.equal((await texts(still, "#event-list li .what"))[0], "anonymising proxy");
    await still.done();
  });

  it("stops when told to, and while nobody looks", async () => {
    const page = await open(node.url);
    await page.click("#pause");
    assert.equal(await page.getAttribute("#pause", "aria-pressed"), "true");
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.waitForTimeout(4500);
    assert.deepEqual(asked, []);
    assert.match(await page.textContent("#age"), /^Paused at/);

    await page.click("#pause");
    await tick(page);
    assert.match(await page.textContent("#age"), /^Live/);
    await page.done();
  });

  it("is accessible, in light and dark, wide and narrow, with and without a detail", async () => {
    for (const [width, height] of [[1280, 900], [360, 740], [3840, 2160]]) {
      for (const scheme of ["light", "dark"]) {
        const page = await open(node.url, { width, height, scheme });
        await tick(page);
        await isAccessible(page, `${width} ${scheme}`);
        await page.locator("#edges a").first().click();
        await until(page, () => document.querySelectorAll("#detail [data-block=totals] tr").length > 5);
        await isAccessible(page, `${width} ${scheme} with a detail`);
        await page.context().close();
      }
    }
  });

  if (process.env.UPDATE_PICTURES === "1") {
    it("is pictured in the documents", async () => {
      const page = await open(node.url, { width: 1280, height: 1000 });
      await tick(page, 5);
      await page.screenshot({ path: new URL("../../docs/images/page-light.png", import.meta.url).pathname });
      await page.context().close();
    });
  }

  it("fits a telephone and a wall of pixels", async () => {
    for (const width of [360, 768, 1280, 3840]) {
      const page = await open(node.url, { width, height: 800 });
      await tick(page);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${wide} of ${width}`);
      if (width === 360) {
        const small = await page.$$eval("button:not(.box), input, select", (all) => all
          .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 24).map((one) => one.outerHTML));
        assert.deepEqual(small, []);
        assert.ok(await page.isVisible("#edges .both"));
      }
      await page.done();
    }
  });

  it("can be used by keyboard alone", async () => {
    const page = await open(node.url);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the flows");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "flows");
    await page.locator("#edges a").first().focus();
    const place = () => page.evaluate(() => [...document.querySelectorAll("#edges tr")].indexOf(document.activeElement.closest("tr")));
    const first = await place();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    assert.equal(await place(), first + 2);
    await page.keyboard.press("End");
    assert.ok(await page.evaluate(() => document.activeElement.closest("tr") === document.querySelector("#edges tr:last-child")));
    await page.done();
  });

  it("is whole without a script: sorting, filtering and an edge in full are links", async () => {
    const page = await open(node.url, { script: false });
    assert.equal(await page.locator("#edges tr").count(), 40);
    await page.fill("#q", "orders port:5432");
    await page.click("#apply");
    assert.equal(await page.locator("#edges tr").count(), 1);
    await page.click("#edges a");
    assert.match(await page.textContent("#detail"), /peer\.name\s*db-1\.internal/);
    await page.click("#detail a");
    await page.click("th[data-column=received] a");
    assert.equal(await page.getAttribute("th[data-column=received]", "aria-sort"), "descending");
    assert.ok(await page.locator("#event-list li").count() >= 5);
    await page.done();
  });
});

describe("updates", () => {
  let node;
  before(async () => { node = await madeUpNode("edges=60"); });
  after(() => node.stop());

  it("leave focus, selection and scroll where they are", async () => {
    const page = await open(node.url, { height: 600 });
    await tick(page);
    await page.locator("#edges tr").nth(4).locator("a").focus();
    await page.evaluate(() => {
      const cell = document.querySelectorAll("#edges tr")[6].querySelector("[data-f=peer]");
      getSelection().selectAllChildren(cell);
      window.held = { focus: document.activeElement, order: [...document.querySelectorAll("#edges tr")], text: getSelection().toString() };
    });
    const scroll = await page.evaluate(() => scrollY);

    await node.say("edge newcomer");
    await node.say("fail 4");
    await tick(page, 3);

    const now = await page.evaluate(() => ({
      focus: document.activeElement === window.held.focus,
      order: [...document.querySelectorAll("#edges tr")].every((row, i) => row === window.held.order[i]),
      text: getSelection().toString() === window.held.text,
      note: document.querySelector("#flows").classList.contains("held"),
      scroll: scrollY,
    }));
    assert.deepEqual(now, { focus: true, order: true, text: true, note: true, scroll });

    await page.evaluate(() => { document.activeElement.blur(); getSelection().removeAllRanges(); });
    await until(page, () => document.querySelector("#edges tr a").textContent === "newcomer");
    await page.done();
  });

  it("leave the rows where they are for who comes into them while an answer is under way", async () => {
    const page = await open(node.url);
    let held = () => {};
    await page.route("**/api/v1/edges?*", async (route) => {
      await new Promise((done) => { held = done; });
      await route.continue();
    });
    await page.waitForRequest((request) => request.url().includes("/api/v1/edges?"));
    await node.say("edge between");
    await page.locator("#edges tr").nth(4).locator("a").focus();
    await page.evaluate(() => { window.order = [...document.querySelectorAll("#edges tr")]; });
    const answered = page.waitForResponse((answer) => answer.url().includes("/api/v1/edges?"));
    held();
    await answered;
    await page.waitForTimeout(300);

    assert.ok(await page.evaluate(() => [...document.querySelectorAll("#edges tr")].every((row, i) => row === window.order[i])));
    await page.unroute("**/api/v1/edges?*");
    held();
    await page.evaluate(() => document.activeElement.blur());
    await until(page, () => document.querySelectorAll("#edges tr").length && [...document.querySelectorAll("#edges tr")].some((row, i) => row !== window.order[i]));
    await page.done();
  });

  it("say what was lost and what the agent no longer sees", async () => {
    const page = await open(node.url);
    await node.say("lose");
    await node.say("blind");
    await until(page, () => document.querySelector("#state").textContent === "Not ready");
    assert.equal(await page.textContent("#missing li"), "hooks: send: this kernel refuses <b>tp_btf</b>");
    await until(page, () => document.querySelectorAll("#losses tr").length === 1);
    assert.equal((await page.textContent("#losses tr")).replace(/\s+/g, " ").trim(), "kernel: ring full1");
    assert.equal(await page.textContent("#summary [data-f=lost]"), "1");
    await page.done();
  });

  it("go on after the agent was away", async () => {
    const port = new URL(node.url).port;
    const page = await open(node.url);
    await tick(page);
    await node.stop();
    await until(page, () => document.querySelector("#notice").textContent.includes("has not answered since"));
    assert.ok(await page.locator("#edges tr").count() > 0);

    node = await madeUpNode("edges=60", `http.listen=127.0.0.1:${port}`);
    await until(page, () => document.querySelector("#notice").textContent === "");
    const troubles = page.troubles.splice(0);
    assert.ok(troubles.every((trouble) => trouble.includes("Failed to load resource")), troubles.join());
    await page.done();
  });
});

describe("ten thousand edges", () => {
  let node;
  before(async () => { node = await madeUpNode("edges=10000"); });
  after(() => node.stop());

  it("stay usable: a page of rows at a time, found and sorted by the agent", async () => {
    const started = performance.now();
    const page = await open(node.url);
    await tick(page);
    console.log(`  first view and first update after ${Math.round(performance.now() - started)} ms`);
    assert.equal(await page.textContent("#matched"), "10,000");
    assert.equal(await page.locator("#edges tr").count(), 50);
    assert.match(await page.textContent("#range"), /1–50 of 10,000/);

    await page.click("#next");
    await until(page, () => document.querySelector("#range").textContent.startsWith("51–100"));
    const typed = performance.now();
    await page.fill("#q", "worker-09999");
    await until(page, () => document.querySelectorAll("#edges tr").length === 1);
    console.log(`  filtered after ${Math.round(performance.now() - typed)} ms`);
    assert.equal(await page.textContent("#edges th a"), "worker-09999");
    await page.fill("#q", "");
    await until(page, () => document.querySelectorAll("#edges tr").length === 50);
    await page.click("th[data-column=failures] a");
    await until(page, () => Number(document.querySelector("#edges .failures").textContent) > 0);

    // Processor time and not time, for the machine may be busy with others.
    const before = await rendererSeconds();
    await tick(page, 5);
    const each = (await rendererSeconds() - before) / 5;
    console.log(`  an update took ${Math.round(1000 * each)} ms of the browser's processor time`);
    assert.ok(each < 0.3, `an update took ${each} s`);
    assert.ok(await page.evaluate(() => document.querySelectorAll("*").length) < 3000);
    await page.done();
  });

  it("cost the agent answers of bounded size", async () => {
    for (const [path, most] of [["edges?limit=500", 400_000], ["edges", 50_000], ["map?links=200", 150_000], ["node", 20_000], ["", 120_000]]) {
      const url = path ? `${node.url}api/v1/${path}` : node.url;
      const started = performance.now();
      const text = await (await fetch(url)).text();
      console.log(`  ${path || "the page"}: ${text.length} characters in ${Math.round(performance.now() - started)} ms`);
      assert.ok(text.length < most, `${path}: ${text.length}`);
    }
    assert.equal((await fetch(`${node.url}api/v1/edges?limit=501`)).status, 400);
  });
});

describe("names that somebody chose to do harm", () => {
  let node;
  before(async () => { node = await madeUpNode("edges=30", "hostile"); await node.say("fail 24"); });
  after(() => node.stop());

  it("can be clicked in the map, and the page goes on", async () => {
    const page = await open(node.url);
    await tick(page);
    const names = await texts(page, ".box .name");
    assert.ok(names.some((name) => name.includes("\"")) && names.some((name) => name.length >= 255), names.join("\n"));
    for (const name of new Set(names.filter((one) => one.includes("\"") || one.length >= 255))) {
      const box = page.locator(".box").nth((await texts(page, ".box .name")).indexOf(name));
      await box.click();
      await until(page, () => /^[1-9]\d* of 30$/.test(document.querySelector("#matched").textContent));
      assert.equal(await page.textContent("#notice"), "");
      assert.ok((await texts(page, ".box .name")).includes(name), name);
      await page.fill("#q", "");
      await until(page, () => document.querySelector("#matched").textContent === "30" && document.querySelectorAll(".box").length > 5);
    }
    await page.done();
  });

  it("in a filter that is too long stop the flows only", async () => {
    const page = await open(node.url);
    await page.evaluate(() => { document.querySelector("#q").value = "A".repeat(1025); document.querySelector("#filter").requestSubmit(); });
    await until(page, () => document.querySelector("#notice").textContent.includes("longer than 1024"));
    const age = await page.textContent("#age");
    await until(page, (before) => document.querySelector("#age").textContent !== before, age);
    await page.fill("#q", "");
    await until(page, () => document.querySelector("#notice").textContent === "");
    const troubles = page.troubles.splice(0);
    assert.ok(troubles.every((trouble) => trouble.includes("400")), troubles.join());
    await page.done();
  });

  it("are text, whether a script runs or not", async () => {
    for (const script of [true, false]) {
      const page = await open(node.url, { script });
      if (script) await tick(page, 2);
      for (const name of ["<script>window.pwned=1</script>", "<img src=x onerror=window.pwned=1>", "&lt;b&gt; & 'q' \"d\"", "</template><script>window.pwned=1</script>"]) {
        const id = await page.locator("#edges th a", { hasText: name }).evaluateAll(
          (links, text) => links.find((link) => link.textContent === text)?.closest("tr").dataset.id, name).catch(() => "");
        if (script) assert.ok(id, name);
        else assert.ok((await texts(page, "#edges th a")).includes(name), name);
        const row = page.locator(`#edges tr[data-id="${id}"]`);
        if (script) {
          assert.ok(await page.locator("#event-list li", { hasText: name }).count() > 0, name);
          await row.locator("a").click();
          await until(page, (text) => document.querySelector("#detail-title")?.textContent.startsWith(text), name);
          await tick(page);
          await page.keyboard.press("Escape");
        }
      }
      if (script) {
        const strange = await page.evaluate(() => ({
          pwned: window.pwned,
          scripts: document.scripts.length,
          pictures: document.images.length,
          elements: document.querySelectorAll("#edges *:not(tr, th, td, a, span), .box *:not(span)").length,
        }));
        assert.deepEqual(strange, { pwned: undefined, scripts: 1, pictures: 1, elements: 0 });
        await page.fill("#q", "<script>");
        await until(page, () => document.querySelector("#matched").textContent.startsWith("2 of"));
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth).catch(() => 0);
      assert.ok(wide <= 1280, `a long name made the page ${wide} wide`);
      await page.done();
    }
  });
});

describe("an agent without flow records", () => {
  let node;
  before(async () => { node = await madeUpNode("edges=20", "norecords"); });
  after(() => node.stop());

  it("says so where they would be", async () => {
    const page = await open(node.url);
    await tick(page);
    assert.match(await page.textContent("#no-events"), /makes no flow records/);
    await page.locator("#edges a").first().click();
    await until(page, () => document.querySelector("#detail [data-f=processNote]")?.textContent.includes("makes no flow records"));
    await page.done();
  });
});
