// Draws a Grafana dashboard from its own JSON and a real Prometheus, for people to look at where there is no Grafana: the same
// grid, queries, units, legends, columns and thresholds. How Grafana paints is Grafana's own affair.

import { layout } from "../../src/Sockwatch/Exporters/Page/Assets/layout.js";
import { escape, format } from "./units.js";

const WIDTH = 1600;
const COLUMN = WIDTH / 24;
const ROW = 38;
const COLOURS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fade2a"];
const NAMED = { green: "#73bf69", red: "#f2495c", orange: "#ff9830", yellow: "#fade2a", blue: "#5794f2", "dark-orange": "#fa6400", text: "#ccccdc" };
const STYLE = `
  body { margin: 0; background: #111217; color: #ccccdc; font: 12px/1.4 Inter, "Segoe UI", "DejaVu Sans", sans-serif; }
  header { padding: 10px 16px 4px; font-size: 15px; font-weight: 600; }
  header small { color: #8e8e9a; font-weight: 400; margin-left: 12px; }
  main { position: relative; width: ${WIDTH}px; }
  section { position: absolute; box-sizing: border-box; background: #181b1f; border: 1px solid #25272c; border-radius: 3px; overflow: hidden; padding: 6px 8px; }
  section.row { background: none; border: 0; font-size: 14px; font-weight: 500; padding: 4px 2px; }
  h2 { margin: 0 0 4px; font-size: 12px; font-weight: 500; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .stat { font-size: 30px; font-weight: 500; position: absolute; inset: 42px 4px auto; text-align: center; white-space: nowrap; }
  .none { color: #8e8e9a; position: absolute; inset: 45% 0 auto; text-align: center; }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  th { text-align: left; color: #6e9fff; font-weight: 500; } th, td { padding: 3px 8px; border-bottom: 1px solid #25272c; white-space: nowrap; }
  td.number { text-align: right; } .gauge { display: inline-block; height: 11px; background: #73bf6988; vertical-align: middle; margin-left: 8px; }
  svg text { fill: #8e8e9a; font-size: 10px; } .legend { color: #ccccdc; font-size: 11px; } .legend th, .legend td { padding: 0 8px 0 0; border: 0; }
  .legend .number { text-align: right; } .legend i { display: inline-block; width: 12px; height: 3px; margin-right: 6px; vertical-align: middle; }
`;

/** What a panel shows, before it is drawn: what the tests look at. */
export async function ask(dashboard, prometheus, { seconds, variables }) {
  const fill = (text) => Object.entries({ __rate_interval: "10s", __interval: "10s", __range: `${seconds}s`, ...variables })
    .reduce((so, [name, value]) => so.replaceAll(`\${${name}}`, value).replaceAll(`$${name}`, value), text);
  const get = async (path, form) => {
    const answer = await (await fetch(`${prometheus}/api/v1/${path}`, { method: "POST", body: new URLSearchParams(form) })).json();
    if (answer.status !== "success") throw new Error(`${form.query}: ${answer.error}`);
    return answer.data.result;
  };
  const end = Math.floor(Date.now() / 1000);
  const panels = [];
  for (const panel of dashboard.panels) {
    const shown = { panel, results: [] };
    panels.push(shown);
    for (const target of panel.targets ?? []) {
      if (target.datasource.type !== "prometheus") continue;
      const query = fill(target.expr);
      const result = target.instant ? await get("query", { query, time: end })
        : await get("query_range", { query, start: end - seconds, end, step: Math.max(1, Math.round(seconds / 120)) });
      shown.results.push({ target, result });
    }
    shown.isOfLoki = (panel.targets ?? []).some((target) => target.datasource.type === "loki");
    shown.isEmpty = !shown.results.some(({ result }) => result.some((series) => (series.values ?? [series.value]).some(([, value]) => value !== "NaN")));
    if (panel.type === "table") shown.table = tableOf(panel, shown.results);
    if (panel.type === "timeseries" || panel.type === "stat" || panel.type === "heatmap") shown.series = seriesOf(shown.results);
  }
  return { dashboard, panels, end, seconds };
}

function seriesOf(results) {
  return results.flatMap(({ target, result }) => result.map((series) => ({
    name: (target.legendFormat ?? "").replace(/\{\{(\w+)\}\}/g, (_, label) => series.metric[label] ?? "") || Object.values(series.metric).join(" "),
    metric: series.metric,
    points: (series.values ?? [series.value]).map(([time, value]) => [Number(time), Number(value)]),
  })));
}

/** The columns and rows that Grafana's transformations "merge" and "organize" leave. */
function tableOf(panel, results) {
  const organize = panel.transformations?.find((one) => one.id === "organize")?.options ?? {};
  const rows = new Map();
  for (const { target, result } of results) {
    const value = results.length > 1 ? `Value #${target.refId}` : "Value";
    for (const series of result) {
      const key = JSON.stringify(Object.entries(series.metric).sort());
      if (!rows.has(key)) rows.set(key, { ...series.metric });
      rows.get(key)[value] = Number(series.value[1]);
    }
  }
  const all = [...new Set([...rows.values()].flatMap((row) => Object.keys(row)))].filter((name) => !organize.excludeByName?.[name]);
  const place = (name) => organize.indexByName?.[name] ?? 99;
  const columns = all.sort((a, b) => place(a) - place(b)).map((name) => {
    const title = organize.renameByName?.[name] ?? name;
    const properties = (panel.fieldConfig.overrides ?? []).filter((one) => one.matcher.options === title).flatMap((one) => one.properties);
    const property = (id) => properties.find((one) => one.id === id)?.value;
    return { name, title, unit: property("unit") ?? panel.fieldConfig.defaults.unit, isGauge: property("custom.cellOptions")?.type === "gauge" };
  });
  const [sort] = panel.options.sortBy ?? [];
  const by = columns.find((column) => column.title === sort?.displayName);
  const ordered = [...rows.values()];
  if (by) ordered.sort((a, b) => (a[by.name] < b[by.name] ? -1 : 1) * (sort.desc ? -1 : 1));
  return { columns, rows: ordered, unplaced: all.filter((name) => organize.indexByName?.[name] === undefined) };
}

export function draw({ dashboard, panels, end, seconds }, note) {
  const height = Math.max(...panels.map(({ panel: { gridPos } }) => (gridPos.y + gridPos.h) * ROW));
  const sections = panels.map((shown) => {
    const { type, title, gridPos: { x, y, w, h } } = shown.panel;
    const size = { width: w * COLUMN - 8, height: h * ROW - 8 };
    const place = `left:${x * COLUMN + 4}px;top:${y * ROW}px;width:${size.width}px;height:${size.height}px`;
    if (type === "row") return `<section class="row" style="${place}">⌄ ${escape(title)}</section>`;
    const content = shown.isOfLoki ? `<div class="none">from Loki</div>` : shown.isEmpty ? `<div class="none">No data</div>`
      : { stat, timeseries, table, nodeGraph, heatmap }[type](shown, size, { end, seconds });
    return `<section style="${place}"><h2>${escape(title)}</h2>${content}</section>`;
  });
  return `<!doctype html><meta charset="utf-8"><style>${STYLE}</style><header>${escape(dashboard.title)}<small>${escape(note)}</small></header>`
    + `<main style="height:${height}px">${sections.join("")}</main>`;
}

function stat({ panel, series }) {
  const { unit, thresholds } = panel.fieldConfig.defaults;
  const last = series[0].points.map(([, value]) => value).filter((value) => !Number.isNaN(value)).at(-1);
  const step = (thresholds?.steps ?? []).filter((one) => one.value === null || last >= one.value).at(-1);
  return `<div class="stat" style="color:${NAMED[step?.color] ?? step?.color ?? "#ccccdc"}">${escape(format(last, unit))}</div>`;
}

function table({ table: { columns, rows } }, size) {
  const most = Object.fromEntries(columns.map(({ name }) => [name, Math.max(...rows.map((row) => Number(row[name]) || 0))]));
  const cell = (row, { name, unit, isGauge }) => {
    const value = row[name];
    if (typeof value !== "number") return `<td>${escape(value ?? "")}</td>`;
    return `<td class="number">${escape(format(value, unit))}${isGauge ? `<span class="gauge" style="width:${Math.round(70 * value / (most[name] || 1))}px"></span>` : ""}</td>`;
  };
  const fit = rows.slice(0, Math.floor((size.height - 50) / 24));
  return `<table><tr>${columns.map(({ title }) => `<th>${escape(title)}</th>`).join("")}</tr>`
    + fit.map((row) => `<tr>${columns.map((column) => cell(row, column)).join("")}</tr>`).join("") + "</table>";
}

function axes({ width, height, left, most, unit, end, seconds }) {
  const lines = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const y = height - 16 - share * (height - 26);
    return `<line x1="${left}" x2="${width}" y1="${y}" y2="${y}" stroke="#25272c"/><text x="${left - 6}" y="${y + 3}" text-anchor="end">${escape(format(share * most, unit))}</text>`;
  });
  const times = [0, 0.25, 0.5, 0.75].map((share) => {
    const at = new Date((end - seconds * (1 - share)) * 1000).toISOString().slice(11, 19);
    return `<text x="${left + share * (width - left)}" y="${height - 2}">${at}</text>`;
  });
  return lines.join("") + times.join("");
}

function timeseries({ panel, series }, size, { end, seconds }) {
  const { unit } = panel.fieldConfig.defaults;
  const named = series.slice(0, 10);
  const [width, height, left] = [size.width - 18, size.height - 44 - 17 * Math.min(4, named.length), 58];
  const values = series.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite);
  const most = Math.max(...values, 0) * 1.05 || 1;
  const spot = ([time, value]) => `${(left + (time - end + seconds) / seconds * (width - left)).toFixed(1)},${(height - 16 - value / most * (height - 26)).toFixed(1)}`;
  const lines = series.map(({ points }, i) =>
    `<polyline fill="none" stroke="${COLOURS[i % COLOURS.length]}" points="${points.filter(([, value]) => Number.isFinite(value)).map(spot).join(" ")}"/>`);
  const legend = named.slice(0, 4).map(({ name, points }, i) => {
    const all = points.map(([, value]) => value).filter(Number.isFinite);
    const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
    return `<tr><td><i style="background:${COLOURS[i % COLOURS.length]}"></i>${escape(name)}</td><td class="number">${escape(format(mean, unit))}</td><td class="number">${escape(format(Math.max(...all), unit))}</td></tr>`;
  });
  return `<svg width="${width}" height="${height}">${axes({ width, height, left, most, unit, end, seconds })}${lines.join("")}</svg>`
    + `<table class="legend"><tr><th>Name</th><th class="number">Mean</th><th class="number">Max</th></tr>${legend.join("")}</table>`;
}

function heatmap({ panel, series }, size, { end, seconds }) {
  const [width, height, left] = [size.width - 18, size.height - 40, 58];
  const buckets = series.map((one) => ({ ...one, le: one.metric.le === "+Inf" ? Infinity : Number(one.metric.le) })).sort((a, b) => a.le - b.le);
  const rows = buckets.map(({ le, points }, i) => ({
    le, points: points.map(([time, value]) => [time, value - (i ? buckets[i - 1].points.find(([at]) => at === time)?.[1] ?? 0 : 0)]),
  })).filter(({ points }) => points.some(([, value]) => value > 1e-9));
  const most = Math.max(...rows.flatMap(({ points }) => points.map(([, value]) => value)));
  const tall = (height - 16) / rows.length;
  const wide = (width - left) / Math.max(...rows.map(({ points }) => points.length));
  const cells = rows.map(({ le, points }, i) => `<text x="${left - 6}" y="${height - 16 - (i + 0.4) * tall}" text-anchor="end">${escape(Number.isFinite(le) ? format(le, panel.options.yAxis.unit) : "more")}</text>`
    + points.map(([time, value]) => value > 0 ? `<rect x="${left + (time - end + seconds) / seconds * (width - left - wide)}" y="${height - 16 - (i + 1) * tall}" width="${wide + 0.5}" height="${tall - 1}" fill="#fa6400" opacity="${Math.sqrt(value / most)}"/>` : "").join(""));
  return `<svg width="${width}" height="${height}">${cells.join("")}</svg>`;
}

function nodeGraph({ results }, size) {
  const of = (refId) => results.find(({ target }) => target.refId === refId).result;
  const nodes = of("nodes").map((one) => ({ id: one.metric.id, title: one.metric.title, value: Number(one.value[1]) }));
  const at = new Map(nodes.map(({ id }, i) => [id, i]));
  const links = of("edges").map((one) => ({ source: at.get(one.metric.source), target: at.get(one.metric.target), value: Number(one.value[1]) }));
  const plan = layout(nodes, links, size.width, { width: 60, least: 40, height: 60, pitch: 92, pass: 30, gap: 150, leastGap: 90, mostGap: 260, margin: 40, label: 7, step: 8 });
  const middle = (i) => [plan.items[i].x + plan.box / 2, plan.items[i].y];
  const lines = links.map(({ source, target, value }) => {
    const [[x1, y1], [x2, y2]] = [middle(source), middle(target)];
    return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#4f5259"/><text x="${(x1 + x2) / 2}" y="${(y1 + y2) / 2 - 4}" text-anchor="middle">${escape(format(value, "Bps"))}</text>`;
  });
  const circles = nodes.map(({ title, value }, i) => {
    const [x, y] = middle(i);
    return `<circle cx="${x}" cy="${y}" r="20" fill="#181b1f" stroke="#73bf69" stroke-width="2"/><text x="${x}" y="${y + 3}" text-anchor="middle" style="font-size:8px">${escape(format(value, "Bps"))}</text>`
      + `<text x="${x}" y="${y + 33}" text-anchor="middle" style="fill:#ccccdc">${escape(title)}</text>`;
  });
  const tall = Math.min(size.height - 40, plan.height + 30);
  return `<svg width="${size.width - 18}" height="${tall}" viewBox="0 0 ${plan.width} ${tall}">${lines.join("")}${circles.join("")}</svg>`;
}
