// Where boxes and lines of the service map go: layers from callers to what they call, with few crossings, and no box on another.

/** The layer of each node: callers first. Links that close a circle are left out of account. */
function layersOf(size, links) {
  const out = Array.from({ length: size }, () => []);
  for (const link of links) if (link.source !== link.target) out[link.source].push(link.target);
  const state = new Uint8Array(size);
  const forward = Array.from({ length: size }, () => []);
  const order = [];
  const hasCaller = new Uint8Array(size);
  for (const link of links) if (link.source !== link.target) hasCaller[link.target] = 1;
  const starts = [...Array(size).keys()].sort((a, b) => hasCaller[a] - hasCaller[b] || a - b);
  for (const start of starts) {
    if (state[start]) continue;
    const stack = [[start, 0]];
    state[start] = 1;
    while (stack.length) {
      const top = stack[stack.length - 1];
      const [node, at] = top;
      if (at === out[node].length) {
        state[node] = 2;
        order.push(node);
        stack.pop();
        continue;
      }
      top[1]++;
      const to = out[node][at];
      if (state[to] === 1) continue;
      forward[node].push(to);
      if (!state[to]) {
        state[to] = 1;
        stack.push([to, 0]);
      }
    }
  }
  order.reverse();
  const layer = new Array(size).fill(0);
  for (const node of order) for (const to of forward[node]) layer[to] = Math.max(layer[to], layer[node] + 1);
  // A caller that nobody calls stands right before the first that it calls.
  for (const node of order) {
    if (!hasCaller[node] && forward[node].length) layer[node] = Math.min(...forward[node].map((to) => layer[to])) - 1;
  }
  return layer;
}

/** Which nodes hang together, the one with the first node first. */
function partsOf(size, links) {
  const root = [...Array(size).keys()];
  const find = (node) => {
    while (root[node] !== node) node = root[node] = root[root[node]];
    return node;
  };
  for (const link of links) root[find(link.source)] = find(link.target);
  const parts = new Map();
  for (let node = 0; node < size; node++) {
    const key = find(node);
    if (!parts.has(key)) parts.set(key, []);
    parts.get(key).push(node);
  }
  return [...parts.values()];
}

const middle = (near) => near.reduce((sum, one) => sum + one.y, 0) / near.length;
const heightOf = (column) => column.reduce((sum, item) => sum + item.height, 0);

function stack(column) {
  let y = 0;
  for (const item of column) {
    item.y = y + item.height / 2;
    y += item.height;
  }
}

/** Orders the columns of one part so that few lines cross, and moves each item towards what it is linked to. */
function settle(columns) {
  columns.forEach(stack);
  for (let sweep = 0; sweep < 8; sweep++) {
    const down = sweep % 2 === 0;
    for (const column of down ? columns : [...columns].reverse()) {
      const wish = new Map(column.map((item) => {
        const near = down ? item.before : item.after;
        return [item, near.length ? middle(near) : item.y];
      }));
      column.sort((a, b) => wish.get(a) - wish.get(b));
      stack(column);
    }
  }
  const height = Math.max(...columns.map(heightOf));
  for (const column of columns) {
    const spare = (height - heightOf(column)) / 2;
    for (const item of column) item.y += spare;
  }
  for (let round = 0; round < 12; round++) {
    for (const column of round % 2 ? columns : [...columns].reverse()) {
      for (const item of column) {
        const near = [...item.before, ...item.after];
        if (near.length) item.y += (middle(near) - item.y) * 0.6;
      }
      let floor = 0;
      for (const item of column) {
        item.y = Math.max(item.y, floor + item.height / 2);
        floor = item.y + item.height / 2;
      }
      let ceiling = height;
      for (const item of [...column].reverse()) {
        item.y = Math.min(item.y, ceiling - item.height / 2);
        ceiling = item.y - item.height / 2;
      }
    }
  }
  return height;
}

/** Places nodes, and the points where long links pass a layer. What does not hang together is put where there is room. */
export function layout(nodes, links, width, size) {
  const layer = layersOf(nodes.length, links);
  const parts = partsOf(nodes.length, links);
  const partOf = new Array(nodes.length);
  const first = parts.map((part) => Math.min(...part.map((node) => layer[node])));
  const columns = parts.map(() => []);
  parts.forEach((part, at) => part.forEach((node) => { partOf[node] = at; }));
  const put = (item) => (columns[item.part][item.layer] ??= []).push(item);
  const items = nodes.map((_, node) => {
    const part = partOf[node];
    const item = { part, layer: layer[node] - first[part], before: [], after: [], y: 0, height: size.pitch };
    put(item);
    return item;
  });
  const paths = links.map((link) => {
    let [from, to] = [items[link.source], items[link.target]];
    const isBack = from.layer > to.layer;
    if (isBack) [from, to] = [to, from];
    const points = [from];
    for (let at = from.layer + 1; at < to.layer; at++) {
      const pass = { part: from.part, layer: at, before: [], after: [], y: 0, height: size.pass };
      put(pass);
      points.push(pass);
    }
    if (to !== from) points.push(to);
    for (let i = 1; i < points.length; i++) {
      if (points[i - 1].layer < points[i].layer) {
        points[i - 1].after.push(points[i]);
        points[i].before.push(points[i - 1]);
      }
    }
    return isBack ? points.reverse() : points;
  });
  for (const part of columns) for (let i = 0; i < part.length; i++) part[i] ??= [];
  const heights = columns.map(settle);

  const room = width - 2 * size.margin;
  const widest = Math.max(1, ...columns.map((part) => part.length));
  let [box, gap] = [size.width, size.gap];
  if (widest * (box + gap) - gap > room) {
    gap = size.leastGap;
    box = Math.max(size.least, Math.min(size.width, (room + gap) / widest - gap));
  }
  const places = Math.max(widest, Math.floor((room + gap) / (box + gap)));
  const level = new Array(places).fill(0);
  const order = [...columns.keys()].sort((a, b) => columns[b].length - columns[a].length || heights[b] - heights[a] || a - b);
  for (const part of order) {
    const wide = columns[part].length;
    let best = 0;
    let bestY = Infinity;
    for (let at = 0; at + wide <= places; at++) {
      const y = Math.max(...level.slice(at, at + wide));
      if (y < bestY) [best, bestY] = [at, y];
    }
    level.fill(bestY + heights[part], best, best + wide);
    for (const column of columns[part]) {
      for (const item of column) {
        item.y += bestY;
        item.place = best + item.layer;
      }
    }
  }
  const used = Math.max(1, level.filter((y) => y > 0).length);
  if (used > 1) gap = Math.max(gap, Math.min(size.mostGap, (room - used * box) / (used - 1)));
  for (const part of columns) for (const column of part) for (const item of column) item.x = size.margin + item.place * (box + gap);
  return {
    items, paths, box,
    width: Math.max(width, used * (box + gap) - gap + 2 * size.margin),
    height: Math.max(size.pitch, ...level) + size.margin,
  };
}
