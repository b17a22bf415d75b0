// One edge in full, beside the table: exact numbers, latencies, errors, and what the recent records tell of its processes.

import { ago, bytes, count, dateAndTime, duration, exactBytes, perSecond, rate, words } from "./format.js";
import { Rows, setText, slots, fill } from "./rows.js";

const SVG = "http://www.w3.org/2000/svg";
const HISTORY = 90;

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const name in attributes) {
    if (name === "class") element.className = attributes[name];
    else element.setAttribute(name, attributes[name]);
  }
  element.append(...children);
  return element;
}

function template(row) {
  const holder = document.createElement("template");
  holder.content.append(row);
  return holder;
}

const factRow = () => template(h("tr", {}, h("th", { scope: "row", "data-f": "name" }), h("td", { class: "num", "data-f": "value" })));

function table(caption, titles, body) {
  const head = h("tr", {}, ...titles.map(([title, style]) => h("th", { scope: "col", class: style ?? "" }, title)));
  return h("table", { class: "facts" }, h("caption", { class: "hidden" }, caption), h("thead", {}, head), body);
}

/** Two lines over the last minutes: what is sent and what is received. */
class Chart {
  #points = [];

  constructor() {
    this.element = document.createElementNS(SVG, "svg");
    this.element.setAttribute("viewBox", "0 0 300 64");
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("class", "chart");
    this.element.setAttribute("aria-hidden", "true");
    this.lines = ["sent", "received"].map((name) => {
      const line = document.createElementNS(SVG, "polyline");
      line.setAttribute("class", name);
      this.element.append(line);
      return line;
    });
  }

  add(sent, received) {
    this.#points.push([sent, received]);
    if (this.#points.length > HISTORY) this.#points.shift();
    const top = Math.max(1, ...this.#points.flat());
    this.lines.forEach((line, which) => line.setAttribute("points", this.#points
      .map((point, i) => `${(300 - (this.#points.length - 1 - i) * (300 / (HISTORY - 1))).toFixed(1)},${(61 - (point[which] / top) * 57).toFixed(1)}`)
      .join(" ")));
  }
}

/** The buckets of a histogram as bars, each with its bounds and its count to read. */
class Histogram {
  constructor(title) {
    this.element = h("div", { class: "histogram" });
    this.text = h("p", {});
    this.bars = h("div", { class: "bars", role: "img" });
    this.element.append(h("h4", {}, title), this.text, this.bars);
    this.title = title;
  }

  show(data) {
    this.element.hidden = !data;
    if (!data) return;
    setText(this.text, `half within ${duration(data.p50)}, 90 % within ${duration(data.p90)}, 99 % within ${duration(data.p99)}; ${count(data.count)} in all, ${duration(data.sum / data.count)} on average`);
    this.bars.setAttribute("aria-label", `${this.title}: ${this.text.textContent}`);
    const top = Math.max(...data.buckets.map((bucket) => bucket.count));
    while (this.bars.children.length < data.buckets.length) this.bars.append(h("span"));
    data.buckets.forEach((bucket, i) => {
      const bar = this.bars.children[i];
      const share = bucket.count ? Math.max(0.04, bucket.count / top) : 0;
      bar.style.setProperty("--share", share.toFixed(3));
      bar.title = `${bucket.le === undefined ? `over ${duration(data.buckets[i - 1].le)}` : `up to ${duration(bucket.le)}`}: ${count(bucket.count)}`;
    });
  }
}

const address = (host, port) => !host ? (port ? `:${port}` : "") : host.includes(":") ? `[${host}]:${port ?? 0}` : `${host}:${port ?? 0}`;

const eventNames = { "flow.start": "start", "flow.update": "goes on", "flow.end": "end", "flow.failed": "failed", "flow.detect": "detected" };

function recordText(record) {
  const parts = [];
  if (record["error.type"]) parts.push(words(record["error.type"]));
  if (record["detection.name"]) parts.push(record["detection.name"]);
  if (record["flow.end_reason"]) parts.push(words(record["flow.end_reason"]));
  if (record["flow.duration"] !== undefined) parts.push(`after ${duration(record["flow.duration"])}`);
  if (record["flow.bytes.sent"] !== undefined) parts.push(`sent ${bytes(record["flow.bytes.sent"])}, received ${bytes(record["flow.bytes.received"])}`);
  if (record["flow.connect_duration"] !== undefined && record["event.name"] !== "flow.end") parts.push(`connect took ${duration(record["flow.connect_duration"])}`);
  return parts.join(", ");
}

export class Detail {
  #id = null;

  constructor(panel, onClose) {
    this.panel = panel;
    this.onClose = onClose;
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        onClose();
      }
    });
  }

  get id() {
    return this.#id;
  }

  open(id) {
    if (this.#id !== id) this.#build(id);
    this.panel.hidden = false;
    this.panel.focus({ preventScroll: true });
  }

  close() {
    this.#id = null;
    this.panel.hidden = true;
    this.panel.replaceChildren();
  }

  gone(text) {
    setText(this.places.notice, text);
    this.places.notice.hidden = false;
  }

  #build(id) {
    this.#id = id;
    const close = h("button", { type: "button", class: "quiet-button" }, "Close");
    close.addEventListener("click", this.onClose);
    this.chart = new Chart();
    this.histograms = { "connect": new Histogram("Connects took"), "tcp.rtt": new Histogram("Round trips"), "connection": new Histogram("Connections lived") };
    const bodies = Object.fromEntries(["names", "totals", "errors", "processes", "records"].map((name) => [name, h("tbody", {})]));
    const block = (title, name, ...content) => {
      const section = h("div", { class: "block" }, h("h3", {}, title), ...content);
      section.dataset.block = name;
      return section;
    };
    this.panel.replaceChildren(
      h("div", { class: "head" }, h("h2", { id: "detail-title", "data-f": "title" }, "…"), close),
      h("p", { class: "note", "data-f": "subtitle" }),
      h("p", { class: "warning", "data-f": "notice", hidden: "" }),
      h("div", { class: "pulse" },
        h("p", {}, h("span", { class: "key sent" }, "Sending "), h("b", { "data-f": "out" })),
        h("p", {}, h("span", { class: "key received" }, "Receiving "), h("b", { "data-f": "in" })),
        this.chart.element),
      block("Who and whom", "names", table("Names of both ends", [["Attribute"], ["Value", "num"]], bodies.names)),
      block("Totals", "totals", table("Totals", [["What"], ["How much", "num"]], bodies.totals)),
      block("Failures", "errors", table("Failures by operation and reason", [["Operation and reason"], ["Count", "num"]], bodies.errors)),
      block("Latency", "latency", ...Object.values(this.histograms).map((one) => one.element)),
      block("Processes", "processes", h("p", { class: "note", "data-f": "processNote" }), table("Processes of recent records", [["Executable"], ["pid", "num"], ["Last record", "num"]], bodies.processes)),
      block("Recent records", "records", table("Recent records", [["Record"], ["Time", "num"]], bodies.records)),
    );
    this.places = slots(this.panel);
    const fact = (row, places, [name, value]) => fill(places, { name, value });
    this.names = new Rows(bodies.names, factRow(), fact);
    this.totals = new Rows(bodies.totals, factRow(), fact);
    this.errors = new Rows(bodies.errors, factRow(), fact);
    this.processes = new Rows(bodies.processes, template(h("tr", {},
      h("th", { scope: "row" }, h("span", { class: "path", "data-f": "path" }), h("span", { class: "sub", "data-f": "container" })),
      h("td", { class: "num", "data-f": "pid" }), h("td", { class: "num", "data-f": "last" }))), (row, places, one) => fill(places, one));
    this.records = new Rows(bodies.records, template(h("tr", {},
      h("th", { scope: "row" }, h("span", { "data-f": "what" }), h("span", { class: "sub", "data-f": "ends" }), h("span", { class: "sub", "data-f": "more" })),
      h("td", { class: "num", "data-f": "time" }))), (row, places, one) => {
      row.classList.toggle("failing", one.failed);
      fill(places, one);
    });
  }

  show(edge, now, records) {
    const isServer = edge["network.role"] === "server";
    const port = edge["server.port"];
    fill(this.places, {
      title: `${edge.workload} ${isServer ? "←" : "→"} ${edge.peer}${port && !isServer ? `:${port}` : ""}`,
      subtitle: [edge["network.role"], edge["network.transport"], edge["network.type"], port && `port ${port}`, `counted since ${dateAndTime(new Date(edge.start))}`].filter(Boolean).join(" · "),
      out: rate(edge["rate.sent"]),
      in: rate(edge["rate.received"]),
      processNote: edge.processes.length ? "" : records.all
        ? "No record of this edge is among the recent ones; metrics know no pids."
        : records.on ? "Without a flow log this agent keeps records of failures and detections only, and metrics know no pids."
        : "This agent makes no flow records, and metrics know no pids.",
    });
    this.places.notice.hidden = true;
    this.chart.add(edge["rate.sent"], edge["rate.received"]);

    const [first] = edge.records;
    const names = [
      ["Workload", [edge["workload.kind"], edge["workload.namespace"], edge["workload.name"]].filter(Boolean).join(" / ")],
      ["Executable", edge["process.executable.name"]],
      ["Container", first?.["container.id"]],
      ["Role", edge["network.role"]],
      ["Peer", [edge["peer.kind"], edge["peer.namespace"], edge["peer.name"]].filter(Boolean).join(" / ") || edge.peer],
      ["Peer class", edge["peer.class"]],
      ["Peer address", edge["network.peer.address"] ?? [...new Set(edge.records.map((record) => record["network.peer.address"]).filter(Boolean))].slice(0, 5).join(", ")],
      ["Server port", port],
      ["Protocol", [edge["network.transport"], edge["network.type"]].filter(Boolean).join(" / ")],
    ].filter(([, value]) => value);
    this.names.update(names, ([name]) => name);

    const totals = [
      ["Sent", exactBytes(edge["bytes.sent"])],
      ["Received", exactBytes(edge["bytes.received"])],
      ["Sends", count(edge.sends)],
      ["Receives", count(edge.receives)],
      ["Connections open", count(edge["connections.open"])],
      ["Connects", `${count(edge.connects)}${edge["rate.connections"] > 0 && !isServer ? `, ${perSecond(edge["rate.connections"])}` : ""}`],
      ["Accepts", `${count(edge.accepts)}${edge["rate.connections"] > 0 && isServer ? `, ${perSecond(edge["rate.connections"])}` : ""}`],
      ["Releases", count(edge.releases)],
      ["Retransmits", count(edge["tcp.retransmits"])],
      ["Resets sent", count(edge["tcp.resets.sent"])],
      ["Resets received", count(edge["tcp.resets.received"])],
      ["Turned away by a full listen queue", count(edge["listen.overflows"])],
    ];
    this.totals.update(totals, ([name]) => name);

    this.#block("errors", edge.errors.length);
    this.errors.update(edge.errors.map((error) => [`${error["socket.operation"]}: ${words(error["error.type"])}`, count(error.count)]), ([name]) => name);
    for (const name in this.histograms) this.histograms[name].show(edge.latency[name]);
    this.#block("latency", Object.keys(edge.latency).length);

    this.processes.update(edge.processes.map((one) => ({
      key: `${one["process.pid"]}/${one["process.executable.path"]}`,
      path: one["process.executable.path"] ?? edge["process.executable.name"] ?? "unknown",
      container: [one["container.id"] && `container ${one["container.id"].slice(0, 12)}`, `user ${one["user.id"]}`].filter(Boolean).join(", "),
      pid: String(one["process.pid"]),
      last: ago(new Date(one.last), now),
    })), (one) => one.key);
    this.#block("records", edge.records.length);
    this.records.update(edge.records.map((record) => ({
      key: `${record["flow.id"]}/${record["event.name"]}/${record.time}`,
      failed: record["event.name"] === "flow.failed",
      what: eventNames[record["event.name"]] ?? record["event.name"],
      ends: `${address(record["network.local.address"], record["network.local.port"])} ${isServer ? "←" : "→"} ${address(record["network.peer.address"], record["network.peer.port"])}${record["process.pid"] ? `, pid ${record["process.pid"]}` : ""}`,
      more: recordText(record),
      time: ago(new Date(record.time), now),
    })), (one) => one.key);
    this.panel.querySelector(".block[data-block=processes] table").hidden = edge.processes.length === 0;
  }

  #block(name, isThere) {
    this.panel.querySelector(`.block[data-block=${name}]`).hidden = !isThere;
  }
}
