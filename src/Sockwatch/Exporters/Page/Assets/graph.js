// The service map: a layered drawing. Boxes are buttons, lines are SVG. The layout is made anew only when nodes or links come or
// go; new numbers change widths and labels where they stand.

import { rate, count } from "./format.js";
import { layout } from "./layout.js";
import { setText, arrange } from "./rows.js";

const SVG = "http://www.w3.org/2000/svg";
/** Sizes in pixels at 14 pixels of text; larger text has a larger map. */
const SIZES = {
  width: 168, least: 92, height: 40, pitch: 52, pass: 18, gap: 96, leastGap: 70, mostGap: 180, margin: 16, label: 7, labelWidth: 58, labelHeight: 13, step: 8,
};

function sizesOf(element) {
  const scale = parseFloat(getComputedStyle(element.ownerDocument.documentElement).fontSize) / 14;
  return Object.fromEntries(Object.entries(SIZES).map(([name, size]) => [name, size * scale]));
}

const nodeKey = (node) => `${node.place}\n${node.detail}\n${node.name}`;

function svg(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  return element;
}

export class Graph {
  #boxes = new Map();
  #lines = new Map();
  #shape = "";
  #data = null;

  constructor(container, onPick) {
    this.container = container;
    this.onPick = onPick;
    container.replaceChildren();
    container.setAttribute("role", "group");
    this.sheet = document.createElement("div");
    this.sheet.className = "sheet";
    this.drawing = svg("svg", { "aria-hidden": "true" });
    this.boxes = document.createElement("div");
    this.empty = document.createElement("p");
    this.empty.className = "empty";
    this.sheet.append(this.drawing, this.boxes);
    container.append(this.sheet, this.empty);
    new ResizeObserver(() => this.#data && this.update(this.#data)).observe(container);
  }

  update(data) {
    this.#data = data;
    const { nodes, links } = data;
    const keys = nodes.map(nodeKey);
    const width = this.container.clientWidth;
    const shape = `${width}\n${keys.join("\f")}\n${links.map((link) => `${link.source}>${link.target}`).join()}`;
    this.empty.hidden = nodes.length > 0;
    setText(this.empty, nodes.length ? "" : "Nothing talks to anything here.");
    this.container.setAttribute("aria-label", `Service map: ${count(nodes.length)} nodes, ${count(links.length)} connections`);
    if (shape !== this.#shape && width > 0) {
      this.#shape = shape;
      const size = sizesOf(this.container);
      this.#place(nodes, links, keys, layout(nodes, links, width, size), size);
    }
    this.#show(nodes, links, keys);
  }

  #place(nodes, links, keys, plan, size) {
    this.sheet.style.width = `${plan.width}px`;
    this.sheet.style.height = `${nodes.length ? plan.height : 0}px`;
    this.drawing.setAttribute("width", plan.width);
    this.drawing.setAttribute("height", nodes.length ? plan.height : 0);

    const order = [...keys.keys()].sort((a, b) => plan.items[a].x - plan.items[b].x || plan.items[a].y - plan.items[b].y);
    const ordered = order.map((i) => {
      const box = this.#boxes.get(keys[i]) ?? this.#box(keys[i]);
      const { x, y } = plan.items[i];
      box.style.width = `${plan.box}px`;
      box.style.transform = `translate(${Math.round(x)}px, ${Math.round(y - size.height / 2)}px)`;
      return box;
    });
    for (const key of [...this.#boxes.keys()]) if (!keys.includes(key)) this.#boxes.delete(key);
    arrange(this.boxes, ordered);

    // Links leave and reach a box one below the other, in the order of where they lead.
    const slots = new Map();
    const slotsOf = (node, side) => {
      const key = `${node}${side}`;
      if (!slots.has(key)) slots.set(key, []);
      return slots.get(key);
    };
    links.forEach((link, i) => {
      const points = plan.paths[i];
      if (points.length < 2) return;
      const backwards = points[0].layer > points[points.length - 1].layer;
      slotsOf(link.source, backwards ? "<" : ">").push({ i, y: points[1].y });
      slotsOf(link.target, backwards ? ">" : "<").push({ i, y: points[points.length - 2].y });
    });
    const offset = (node, side, i) => {
      const all = slotsOf(node, side).sort((a, b) => a.y - b.y);
      const at = all.findIndex((slot) => slot.i === i);
      const step = Math.min(size.step, (size.height * 0.7) / Math.max(1, all.length - 1));
      return (at - (all.length - 1) / 2) * step;
    };

    const taken = [];
    const lines = links.map((link, i) => {
      const key = `${keys[link.source]}\r${keys[link.target]}`;
      const line = this.#lines.get(key) ?? this.#line(key);
      const points = plan.paths[i];
      const at = (item) => item.y;
      if (points.length < 2) {
        const { x, y } = { x: points[0].x + plan.box / 2, y: at(points[0]) - size.height / 2 };
        line.path.setAttribute("d", `M${x - 14} ${y} C${x - 20} ${y - 14} ${x + 20} ${y - 14} ${x + 14} ${y}`);
        line.label.setAttribute("x", x + 20);
        line.label.setAttribute("y", y - 2);
        line.label.setAttribute("text-anchor", "start");
        return line;
      }
      const backwards = points[0].layer > points[points.length - 1].layer;
      const [leaves, reaches] = backwards ? ["<", ">"] : [">", "<"];
      const stops = points.map((point, n) => {
        if (n === 0) return { x: point.x + (backwards ? 0 : plan.box), y: at(point) + offset(link.source, leaves, i) };
        if (n === points.length - 1) return { x: point.x + (backwards ? plan.box : 0), y: at(point) + offset(link.target, reaches, i) };
        return { x: point.x + (backwards ? plan.box : 0), y: at(point), through: point.x + (backwards ? 0 : plan.box) };
      });
      let d = `M${stops[0].x} ${stops[0].y}`;
      let x = stops[0].x;
      let y = stops[0].y;
      for (const stop of stops.slice(1)) {
        const bend = (x + stop.x) / 2;
        d += ` C${bend} ${y} ${bend} ${stop.y} ${stop.x} ${stop.y}`;
        [x, y] = [stop.x, stop.y];
        if (stop.through !== undefined) {
          d += ` L${stop.through} ${y}`;
          x = stop.through;
        }
      }
      line.path.setAttribute("d", d);
      // The rate stands at the end where fewer lines meet, or at the other; where both are taken, until the line is looked at.
      const atSource = slotsOf(link.source, leaves).length <= slotsOf(link.target, reaches).length;
      const spots = [atSource, !atSource].map((first) => {
        const end = first ? stops[0] : stops[stops.length - 1];
        const rightwards = first !== backwards;
        const x = end.x + (rightwards ? size.label : -size.label);
        return { x, y: end.y - 5, rightwards, left: rightwards ? x : x - size.labelWidth };
      });
      const isFree = ({ left, y: base }) => taken.every((other) =>
        Math.abs(left - other.left) >= size.labelWidth || Math.abs(base - other.y) >= size.labelHeight);
      const spot = spots.find(isFree);
      if (spot) taken.push(spot);
      line.group.classList.toggle("crowded", !spot);
      const { x: labelX, y: labelY, rightwards } = spot ?? spots[0];
      line.label.setAttribute("x", labelX);
      line.label.setAttribute("y", labelY);
      line.label.setAttribute("text-anchor", rightwards ? "start" : "end");
      return line;
    });
    const kept = new Set(lines);
    for (const [key, line] of this.#lines) {
      if (!kept.has(line)) {
        line.group.remove();
        this.#lines.delete(key);
      }
    }
  }

  #show(nodes, links, keys) {
    const calls = keys.map(() => ({ out: [], in: [] }));
    links.forEach((link) => {
      const total = link["rate.sent"] + link["rate.received"];
      const failing = link["rate.failures"] > 0;
      const line = this.#lines.get(`${keys[link.source]}\r${keys[link.target]}`);
      if (!line) return;
      line.group.classList.toggle("failing", failing);
      line.group.classList.toggle("idle", !(total > 0));
      line.path.setAttribute("stroke-width", Math.min(7, 1 + Math.log10(1 + total / 100)).toFixed(2));
      line.label.textContent = total > 0 ? rate(total) : failing ? "failing" : "";
      line.ends = [keys[link.source], keys[link.target]];
      const said = `${rate(total)}${link.failures ? `, ${count(link.failures)} failures` : ""} on ${link.ports.join(", ") || "no port"}`;
      line.title.textContent = `${nodes[link.source].name} → ${nodes[link.target].name}: ${said}`;
      calls[link.source].out.push(`${nodes[link.target].name} ${rate(total)}`);
      calls[link.target].in.push(`${nodes[link.source].name} ${rate(total)}`);
    });
    nodes.forEach((node, i) => {
      const box = this.#boxes.get(keys[i]);
      if (!box) return;
      box.node = node;
      box.classList.toggle("local", node.local);
      setText(box.children[0], node.name);
      setText(box.children[1], node.detail || (node.local ? "" : node.place === "in" ? "callers" : ""));
      const list = (title, all) => all.length ? ` ${title} ${all.slice(0, 3).join("; ")}${all.length > 3 ? `; and ${all.length - 3} more` : ""}.` : "";
      setText(box.children[2], `.${list("Calls", calls[i].out)}${list("Called by", calls[i].in)}`);
      box.title = node.detail ? `${node.name}, ${node.detail}` : node.name;
    });
  }

  /** Marks the box that the filter asks for. */
  mark(isPressed) {
    for (const box of this.#boxes.values()) box.setAttribute("aria-pressed", String(Boolean(box.node && isPressed(box.node))));
  }

  #box(key) {
    const box = document.createElement("button");
    box.type = "button";
    box.className = "box";
    box.setAttribute("aria-pressed", "false");
    for (const name of ["name", "sub", "hidden"]) {
      const part = document.createElement("span");
      part.className = name;
      box.append(part);
    }
    box.addEventListener("click", () => this.onPick(box.node));
    const near = (on) => () => this.#highlight(on ? key : null);
    box.addEventListener("pointerenter", near(true));
    box.addEventListener("pointerleave", near(false));
    box.addEventListener("focus", near(true));
    box.addEventListener("blur", near(false));
    this.#boxes.set(key, box);
    return box;
  }

  #line(key) {
    const line = { group: svg("g", { class: "line" }), path: svg("path"), label: svg("text"), title: svg("title"), ends: [] };
    line.group.append(line.title, line.path, line.label);
    this.drawing.append(line.group);
    this.#lines.set(key, line);
    return line;
  }

  #highlight(key) {
    this.sheet.classList.toggle("focusing", key !== null);
    const near = new Set([key]);
    for (const line of this.#lines.values()) {
      const isNear = key !== null && line.ends.includes(key);
      line.group.classList.toggle("near", isNear);
      if (isNear) line.ends.forEach((end) => near.add(end));
    }
    for (const [other, box] of this.#boxes) box.classList.toggle("near", near.has(other));
  }
}
