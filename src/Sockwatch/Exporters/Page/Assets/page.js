// Keeps the page up to date: asks the agent every other second and changes what changed. Names come from other programs, so they
// are only ever set as text; the page's policy allows no other way in.

import { ago, bytes, count, duration, percent, perSecond, rate, timeOfDay, words } from "./format.js";
import { Detail } from "./detail.js";
import { Graph } from "./graph.js";
import { Rows, fill, occupied, setText, slots } from "./rows.js";

const EVERY = 2000;
const PATIENCE = 15000;
const HOLD = 10000;
const EVENTS = 50;
const LIMIT = 50;

const $ = (id) => document.getElementById(id);
const state = readAddress();
const summary = slots($("summary"));
const agent = slots($("agent"));
let isPaused = false;
let records = { on: true, all: true };
let timer = 0;
let asking = null;
let pointerMovedAt = -Infinity;
let isClosing = false;
let lastAnswer = null;

const edges = new Rows($("edges"), $("edge-row"), showEdge, { adopt: true });
const events = new Rows($("event-list"), $("event-row"), showEvent);
const hooks = new Rows($("hooks"), $("hook-row"), (row, places, [, hook]) => {
  fill(places, { operation: hook.operation, backend: hook.backends.join(", "), state: hook.state });
  row.classList.toggle("failing", hook.state !== "attached");
});
const fact = (row, places, [name, value]) => fill(places, { name, value });
const losses = new Rows($("losses"), $("fact-row"), fact);
const cost = new Rows($("cost"), $("fact-row"), fact);
const maps = new Rows($("maps"), $("fact-row"), fact);
const programs = new Rows($("programs"), $("program-row"), (row, places, one) => fill(places, {
  program: one.program, runs: count(one.runs), each: one.runs ? duration(one.seconds / one.runs) : "",
}));
const graph = new Graph($("graph"), pick);
const detail = new Detail($("detail"), closeDetail);

function start() {
  document.documentElement.classList.add("live");
  $("pause").hidden = false;
  $("pause").addEventListener("click", () => {
    isPaused = !isPaused;
    $("pause").setAttribute("aria-pressed", String(isPaused));
    isPaused ? stop() : ask();
    showAge();
  });
  $("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    query({ q: $("q").value, offset: 0 });
  });
  let typing = 0;
  $("q").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => query({ q: $("q").value, offset: 0 }), 180);
  });
  $("sort").addEventListener("change", () => query({ sort: $("sort").value, order: "", offset: 0 }));
  for (const head of document.querySelectorAll("th[data-column]")) {
    head.querySelector("a").addEventListener("click", (event) => {
      if (!isPlain(event)) return;
      const column = head.dataset.column;
      const order = state.sort === column ? (orderOf(state) === "desc" ? "asc" : "desc") : "";
      query({ sort: column, order, offset: 0 });
    });
  }
  for (const [id, pages] of [["previous", -1], ["next", 1]]) {
    $(id).addEventListener("click", (event) => {
      if (!isPlain(event)) return;
      query({ offset: Math.max(0, state.offset + pages * LIMIT) });
      $("flows").scrollIntoView({ block: "start" });
    });
  }

  const body = $("edges");
  body.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") pointerMovedAt = performance.now(); });
  body.addEventListener("pointerleave", () => { pointerMovedAt = -Infinity; });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row || (event.target.closest("a") && !isPlain(event))) return;
    event.preventDefault();
    if (document.getSelection().isCollapsed || event.target.closest("a")) openDetail(row.dataset.id);
  });
  body.addEventListener("keydown", (event) => {
    const rows = [...body.children];
    const at = rows.indexOf(event.target.closest("tr"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (at < 0 || to === undefined || !rows[to]) return;
    event.preventDefault();
    rows[to].querySelector("a").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      event.preventDefault();
      $("q").focus();
      $("q").select();
    } else if (event.key === "Escape" && detail.id !== null) {
      closeDetail();
    }
  });
  document.addEventListener("visibilitychange", () => document.hidden ? stop() : !isPaused && ask());
  addEventListener("popstate", () => {
    if (isClosing) {
      // What was filtered meanwhile stays.
      isClosing = false;
      history.replaceState(null, "", address());
      return;
    }
    Object.assign(state, readAddress());
    $("q").value = state.q;
    state.edge === null ? detail.close() : detail.open(state.edge);
    ask({ isAnew: true });
  });
  if (state.edge !== null) detail.open(state.edge);
  ask();
}

// --- what is asked for ---

function readAddress() {
  const given = new URLSearchParams(location.search);
  return {
    q: given.get("q") ?? "",
    sort: given.get("sort") || "rate",
    order: given.get("order") ?? "",
    offset: Number(given.get("offset")) || 0,
    edge: given.get("edge"),
  };
}

const orderOf = ({ sort, order }) => order || (["workload", "peer", "port"].includes(sort) ? "asc" : "desc");

function address(wanted = state) {
  const given = new URLSearchParams();
  if (wanted.q) given.set("q", wanted.q);
  if (wanted.sort !== "rate") given.set("sort", wanted.sort);
  if (wanted.order) given.set("order", wanted.order);
  if (wanted.offset) given.set("offset", wanted.offset);
  if (wanted.edge) given.set("edge", wanted.edge);
  const text = given.toString();
  return text ? `?${text}` : location.pathname;
}

function query(change) {
  Object.assign(state, change);
  history.replaceState(history.state, "", address());
  ask({ isAnew: true });
}

const isPlain = (event) => {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return false;
  event.preventDefault();
  return true;
};

/** While somebody is in the rows, they keep their places: only numbers change. */
const isHeld = () => performance.now() - pointerMovedAt < HOLD || occupied($("edges")) !== null;

function stop() {
  clearTimeout(timer);
  asking?.abort();
  asking = null;
}

async function ask({ isAnew = false } = {}) {
  stop();
  const own = asking = new AbortController();
  const held = !isAnew && isHeld() && edges.keys.length > 0;
  const limit = setTimeout(() => own.abort(), PATIENCE);
  const text = new URLSearchParams({ q: state.q });
  const wanted = held
    ? new URLSearchParams({ ids: edges.keys.join(",") })
    : new URLSearchParams({ q: state.q, sort: state.sort, order: orderOf(state), offset: state.offset, limit: LIMIT });
  const started = performance.now();
  try {
    // What one of them refuses is no reason to let the others stand still.
    const answers = await Promise.allSettled([
      get("node", own), get(`edges?${wanted}`, own), get(`map?${text}`, own), get(`events?limit=${EVENTS}`, own),
      detail.id === null ? null : get(`edges/${detail.id}`, own, true),
    ]);
    if (asking !== own) return;
    const [node, page, map, recent, edge] = answers.map((answer) => answer.value);
    const failures = answers.map((answer) => answer.reason).filter(Boolean);
    if (!node) throw failures[0];
    const now = new Date(node.now);
    records = node.records;
    lastAnswer = { now, time: node.time ? new Date(node.time) : null };
    showNode(node);
    // Who came into the rows while the answer was under way keeps their places: the next question is about these rows.
    if (page && (held || isAnew || !isHeld() || edges.keys.length === 0)) showEdges(page, held);
    if (map) showMap(map);
    if (recent) showEvents(recent, now);
    if (edge && String(edge.id ?? detail.id) === detail.id) {
      edge.error ? detail.gone("This edge has left the report: it was silent for long, or the agent was started anew.") : detail.show(edge, now, records);
    }
    if (failures.length) throw failures.find((failure) => failure.text) ?? failures[0];
    notice("");
  } catch (failure) {
    if (asking !== own) return;
    notice(failure.text ?? `The agent has not answered since ${lastAnswer ? timeOfDay(lastAnswer.now) : "this page was opened"}. Trying again.`);
  } finally {
    clearTimeout(limit);
    if (asking === own) {
      asking = null;
      showAge();
      if (!isPaused && !document.hidden) timer = setTimeout(ask, Math.max(EVERY, 2 * (performance.now() - started)));
    }
  }
}

async function get(path, { signal }, mayBeGone = false) {
  const answer = await fetch(`api/v1/${path}`, { signal, cache: "no-store" });
  const data = await answer.json();
  if (!answer.ok && !(mayBeGone && answer.status === 404)) throw Object.assign(new Error(data.error), { text: data.error });
  return data;
}

// --- what is shown ---

function notice(text) {
  setText($("notice"), text);
  document.documentElement.classList.toggle("silent", text !== "");
}

function showAge() {
  const time = lastAnswer?.time ? timeOfDay(lastAnswer.time) : null;
  setText($("age"), !time ? "Nothing read yet" : isPaused ? `Paused at ${time}` : `Live, as of ${time}`);
}

function showNode(node) {
  setText($("state"), node.missing.length ? "Not ready" : "Ready");
  $("state").className = `state ${node.missing.length ? "bad" : "ok"}`;
  const missing = $("missing");
  if (missing.textContent !== node.missing.join("")) {
    missing.replaceChildren(...node.missing.map((condition) => {
      const item = document.createElement("li");
      item.textContent = condition;
      return item;
    }));
  }
  missing.hidden = node.missing.length === 0;

  const lost = node.losses.filter((loss) => loss.count > 0);
  fill(summary, {
    sent: rate(node.rates.sent),
    received: rate(node.rates.received),
    open: count(node["connections.open"]),
    connections: perSecond(node.rates.connections),
    failures: perSecond(node.rates.failures),
    lost: count(lost.reduce((sum, loss) => sum + loss.count, 0)),
  });
  summary.failures.classList.toggle("alarm", node.rates.failures > 0);
  summary.lost.classList.toggle("alarm", lost.length > 0);

  const byOperation = new Map();
  for (const { operation, backend, state } of node.hooks) {
    const key = `${operation}/${state}`;
    if (!byOperation.has(key)) byOperation.set(key, { operation, state, backends: [] });
    byOperation.get(key).backends.push(backend);
  }
  hooks.update([...byOperation.entries()], ([key]) => key);
  losses.update(lost.map((loss) => [`${words(loss.stage)}: ${words(loss.reason)}`, count(loss.count)]), ([name]) => name);
  $("no-losses").hidden = lost.length > 0;
  fill(agent, { reasons: count(node.losses.length) });
  const exports = node.exportFailures.filter((failure) => failure.count > 0);
  cost.update([
    ["Processor", node.cost.cpu === undefined ? "not known yet" : percent(node.cost.cpu)],
    ["Memory", bytes(node.cost.memory)],
    ["A reading of the totals", duration(node.cost.collection)],
    ["Edges", `${count(node.edges.count)} of ${count(node.edges.limit)}`],
    ...(node.edges.folded ? [["Edges counted together for want of room", count(node.edges.folded)]] : []),
    ...(node.cost.collectionFailures ? [["Readings that failed", count(node.cost.collectionFailures)]] : []),
    ...exports.map((failure) => [`Failed exports, ${words(failure.exporter)}: ${words(failure.reason)}`, count(failure.count)]),
  ], ([name]) => name);
  programs.update(node.programs, (program) => program.program);
  maps.update(node.maps.map((map) => [map.map, map.limit ? `${count(map.entries)} of ${count(map.limit)}` : count(map.entries)]), ([name]) => name);
}

const kind = (name, space) => [name === "SystemdUnit" ? "systemd unit" : name, space && (name ? `in ${space}` : space)].filter(Boolean).join(" ");

function showEdge(row, places, edge) {
  const executable = edge["process.executable.name"];
  fill(places, {
    workload: edge.workload,
    owner: [kind(edge["workload.kind"], edge["workload.namespace"]), executable !== edge["workload.name"] && executable].filter(Boolean).join(" · "),
    arrow: edge["network.role"] === "server" ? "←" : "→",
    peer: edge.peer,
    peerKind: edge["peer.name"] ? kind(edge["peer.kind"], edge["peer.namespace"]) : "",
    port: edge["server.port"] ?? "",
    how: [edge["network.transport"] && edge["network.transport"] + (edge["network.type"] === "ipv6" ? "6" : ""), edge["network.role"]].filter(Boolean).join(" · "),
    rate: rate(edge["rate.sent"] + edge["rate.received"]),
    out: rate(edge["rate.sent"]),
    in: rate(edge["rate.received"]),
    sent: bytes(edge["bytes.sent"]),
    received: bytes(edge["bytes.received"]),
    open: count(edge["connections.open"]),
    connections: count(edge.connections),
    failures: count(edge.failures),
  });
  row.classList.toggle("failing", edge["rate.failures"] > 0);
  row.classList.toggle("idle", !(edge["rate.sent"] + edge["rate.received"] + edge["rate.failures"] > 0));
  row.classList.toggle("open", String(edge.id) === detail.id);
  const link = places.workload;
  const target = `?edge=${edge.id}`;
  if (link.getAttribute("href") !== target) link.setAttribute("href", target);
  const title = `${edge.workload} ${places.arrow.textContent} ${edge.peer}`;
  if (row.title !== title) row.title = title;
}

function showEdges(page, held) {
  edges.update(page.edges, (edge) => edge.id, held);
  $("flows").classList.toggle("held", held);
  if (held) return;
  setText($("matched"), page.matched === page.total ? count(page.total) : `${count(page.matched)} of ${count(page.total)}`);
  const shown = page.edges.length;
  setText($("range"), shown ? `${count(page.offset + 1)}–${count(page.offset + shown)} of ${count(page.matched)}` : "");
  const step = (id, isThere, offset) => {
    $(id).hidden = !isThere;
    $(id).setAttribute("href", address({ ...state, offset }));
  };
  step("previous", page.offset > 0, Math.max(0, page.offset - LIMIT));
  step("next", page.offset + shown < page.matched, page.offset + LIMIT);
  $("no-edges").hidden = shown > 0;
  setText($("no-edges"), page.total === 0 ? "No traffic has been seen yet." : page.matched === 0 ? "No flow matches the filter." : "This page is past the last one.");
  for (const head of document.querySelectorAll("th[data-column]")) {
    if (head.dataset.column === page.sort) head.setAttribute("aria-sort", page.order === "desc" ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  if (document.activeElement !== $("sort")) $("sort").value = page.sort;
}

/** A name as words of the filter. No word can hold a quote or the end of a line, so what stands around them has to be found. */
function quoted(name) {
  let words = "";
  for (const part of name.split(/["\r\n]+/).filter((one) => one.trim())) {
    const longer = `${words}${words && " "}"${part}"`;
    if (longer.length > $("q").maxLength) break;
    words = longer;
  }
  return words;
}

/** What the filter says to show one node of the map only. */
function filterOf(node) {
  if (node.place === "in") return `class:${node.class} role:server`;
  if (node.place === "out") return `class:${node.class} role:client`;
  return quoted(node.name);
}

function pick(node) {
  const wanted = filterOf(node);
  $("q").value = state.q === wanted ? "" : wanted;
  query({ q: $("q").value, offset: 0 });
}

function showMap(map) {
  graph.update(map);
  graph.mark((node) => filterOf(node) === state.q);
  const all = map["links.all"];
  setText($("map-note"), map.links.length < all ? `the ${count(map.links.length)} heaviest of ${count(all)} connections; filter to see others` : "");
}

function showEvent(row, places, { record, now }) {
  const isFailure = record["event.name"] === "flow.failed";
  const port = record["network.peer.port"];
  const host = record["peer.name"] ?? record["network.peer.address"] ?? "unknown";
  row.className = isFailure ? "failed" : "detected";
  fill(places, {
    time: ago(new Date(record.time), now),
    what: isFailure ? words(record["error.type"] ?? "failed") : record["detection.name"] ?? "detected",
    who: record["process.executable.name"] ?? record["workload.name"] ?? "unknown",
    pid: record["process.pid"] ? `pid ${record["process.pid"]}` : "",
    arrow: record["network.role"] === "server" ? "←" : "→",
    whom: port ? `${host.includes(":") ? `[${host}]` : host}:${port}` : host,
  });
  places.time.setAttribute("datetime", record.time);
  row.title = [record["process.executable.path"], record["workload.name"], record["network.peer.address"], record.time].filter(Boolean).join("\n");
}

function showEvents(recent, now) {
  events.update(recent.events.map((record) => ({ record, now })), ({ record }) => `${record["flow.id"]}/${record["event.name"]}/${record.time}`);
  setText($("events-note"), recent.count > recent.events.length ? `the last ${count(recent.events.length)} of ${count(recent.count)}` : "");
  $("no-events").hidden = recent.events.length > 0;
  if (recent.on) setText($("no-events"), "None so far.");
}

// --- the detail ---

function openDetail(id) {
  const isOpen = detail.id !== null;
  state.edge = String(id);
  history[isOpen ? "replaceState" : "pushState"]({ isDetail: true }, "", address());
  detail.open(state.edge);
  markOpen();
  ask();
}

function closeDetail() {
  const id = detail.id;
  if (id === null) return;
  state.edge = null;
  detail.close();
  markOpen();
  isClosing = Boolean(history.state?.isDetail);
  if (isClosing) history.back();
  else history.replaceState(null, "", address());
  (edges.row(id)?.querySelector("a") ?? $("flows")).focus({ preventScroll: true });
}

function markOpen() {
  for (const row of $("edges").children) row.classList.toggle("open", row.dataset.id === detail.id);
}

start();
