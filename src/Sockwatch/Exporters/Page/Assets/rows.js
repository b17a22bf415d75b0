// Keeps rows in step with data, in place: what did not change is not touched, so focus, selection and scroll stay.

/** Sets text only where it differs, within the text node that is there. */
export function setText(node, text) {
  if (node.textContent === text) return;
  if (node.childNodes.length === 1 && node.firstChild.nodeType === Node.TEXT_NODE) node.firstChild.data = text;
  else node.textContent = text;
}

/** The places of an element that take text, by name. */
export function slots(element) {
  const found = {};
  for (const place of element.querySelectorAll("[data-f]")) found[place.dataset.f] = place;
  return found;
}

export function fill(places, values) {
  for (const name in values) {
    if (places[name]) setText(places[name], values[name]);
  }
}

/** The child of a parent that holds the focus or the end of a selection, if one does. */
export function occupied(parent) {
  const selection = document.getSelection();
  const selected = selection && !selection.isCollapsed ? selection.focusNode : null;
  for (const inside of [document.activeElement, selected]) {
    if (!inside || inside === parent || !parent.contains(inside)) continue;
    let child = inside;
    while (child.parentNode !== parent) child = child.parentNode;
    return child;
  }
  return null;
}

/** Puts elements into an order without moving the one that is occupied: taking it out would take its focus. */
export function arrange(parent, elements) {
  const wanted = new Set(elements);
  for (const child of [...parent.children]) {
    if (!wanted.has(child)) child.remove();
  }
  const still = occupied(parent);
  const fixed = still ? elements.indexOf(still) : -1;
  let next = null;
  for (let i = elements.length - 1; i >= 0; i--) {
    const element = elements[i];
    if (i !== fixed && (element.parentNode !== parent || element.nextElementSibling !== next)) parent.insertBefore(element, next);
    next = element;
  }
}

/** Rows made from a template, one per item. */
export class Rows {
  #byKey = new Map();

  /** adopt: rows that the server wrote are taken over by their data-id. */
  constructor(parent, template, show, { adopt = false } = {}) {
    this.parent = parent;
    this.template = template;
    this.show = show;
    // Others of the server stay until the first data takes their place.
    if (adopt) for (const row of parent.children) this.#keep(row.dataset.id, row);
  }

  get keys() {
    return [...this.parent.children].map((row) => row.dataset.id);
  }

  row(key) {
    return this.#byKey.get(String(key))?.element;
  }

  /** In the items' order; rows of items that are not there leave, unless the order is held. */
  update(items, keyOf, held = false) {
    const ordered = [];
    const seen = new Set();
    for (const item of items) {
      const key = String(keyOf(item));
      if (seen.has(key)) continue;
      seen.add(key);
      const row = this.#byKey.get(key) ?? this.#keep(key, this.template.content.firstElementChild.cloneNode(true));
      row.element.classList.remove("gone");
      this.show(row.element, row.places, item);
      ordered.push(row.element);
    }
    for (const [key, row] of this.#byKey) {
      if (seen.has(key)) continue;
      if (held) row.element.classList.add("gone");
      else this.#byKey.delete(key);
    }
    if (!held) arrange(this.parent, ordered);
  }

  #keep(key, element) {
    element.dataset.id = key;
    const row = { element, places: slots(element) };
    this.#byKey.set(String(key), row);
    return row;
  }
}
