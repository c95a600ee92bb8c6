// The gallery's grid: only what is on screen is in the page.

import { el, swatch } from "./dom.js";
import { GAP, HEAD, bandOf, inNextRow, layOut, placeOf, seenOf } from "./layout.js";
import { references } from "./reference.js";
import { drawTile, makeTile } from "./tiles.js";

/** @typedef {import("./store.js").SlideStore} SlideStore */
/** @typedef {import("./layout.js").Section} Section */

const BEYOND = 150;
const REFERENCE_PX = 30;

/**
 * Fires `selection` when other cells are selected or another is the cursor, `view` when others are
 * on screen.
 */
export class Grid extends EventTarget {
  selected = /** @type {Set<string>} */ (new Set());
  cursor = /** @type {string | null} */ (null);
  size = 96;
  #anchor = /** @type {string | null} */ (null);
  #tiles = /** @type {Map<string, import("./tiles.js").Tile>} */ (new Map());
  #groups = /** @type {Map<string, {root: HTMLElement, head: HTMLElement, words: HTMLElement, n: number}>} */ (new Map());
  #sections = /** @type {readonly Section[]} */ ([]);
  #asked = false;
  #made = 0;
  #spare = /** @type {import("./tiles.js").Tile[]} */ ([]);

  /**
   * @param {HTMLElement} root @param {SlideStore} store
   * @param {(key: string) => {title: string, color: string}} name of a section
   */
  constructor(root, store, name) {
    super();
    this.root = root;
    this.store = store;
    this.name = name;
    this.inner = el("div", { class: "grid-inner", role: "presentation" });
    root.append(this.inner);
    root.tabIndex = 0;
    for (const [key, value] of Object.entries({ role: "listbox", "aria-multiselectable": "true", "aria-label": "Cells by class" })) root.setAttribute(key, value);
    this.layout = layOut([], 800, this.size);
    root.addEventListener("scroll", () => this.refresh(), { passive: true });
    new ResizeObserver(() => this.#relaid()).observe(root);
  }

  /** @param {readonly Section[]} sections */
  show(sections) {
    this.#sections = sections;
    this.#relaid();
  }

  /** @param {number} size */
  resize(size) {
    const middle = this.cursor ?? this.onScreen()[0] ?? null;
    this.size = size;
    this.#relaid();
    if (middle) this.scrollTo(middle, "nearest");
  }

  /** Draws the sections anew, as when their reference cells changed. */
  renew() {
    for (const [key, group] of this.#groups) this.#dropGroup(key, group.root);
    this.refresh();
  }

  /** Draws in the next frame; many calls are one. */
  refresh() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#paint();
    });
  }

  /** The cells that are wholly on screen. */
  onScreen() {
    const from = this.root.scrollTop;
    const to = from + this.root.clientHeight;
    /** @type {string[]} */
    const ids = [];
    for (const band of this.layout.bands) {
      const [first = 0, end = 0] = seenOf(this.layout, band, from, to);
      for (let i = first; i < end; i += 1) {
        const { y } = placeOf(this.layout, band, i);
        const id = this.layout.order[i];
        if (id && y >= from - 2 && y + this.layout.tileHeight <= to + 2) ids.push(id);
      }
    }
    return ids;
  }

  /** The section at the top of the screen. */
  get currentKey() {
    const at = this.root.scrollTop + HEAD;
    const above = this.layout.bands.filter((band) => band.top <= at);
    return this.cursor && this.onScreen().includes(this.cursor) ? this.keyOf(this.cursor) : above.at(-1)?.key;
  }

  /** @param {string} id */
  keyOf(id) {
    const i = this.layout.index.get(id);
    return i === undefined ? undefined : bandOf(this.layout, i).key;
  }

  /** @param {string} key */
  jumpTo(key) {
    const band = this.layout.bands.find((one) => one.key === key);
    if (!band) return;
    this.root.scrollTop = band.top;
    const first = this.layout.order[band.first];
    if (band.n && first) this.choose(first, "only", false);
    this.#paint();
  }

  /** @param {string} id @param {"nearest" | "middle"} where */
  scrollTo(id, where) {
    const i = this.layout.index.get(id);
    if (i === undefined) return;
    const { y } = placeOf(this.layout, bandOf(this.layout, i), i);
    const room = this.root.clientHeight;
    const { scrollTop } = this.root;
    if (where === "middle") this.root.scrollTop = y - (room - this.layout.tileHeight) / 2;
    else if (y - HEAD < scrollTop) this.root.scrollTop = y - HEAD;
    else if (y + this.layout.tileHeight + GAP > scrollTop + room) this.root.scrollTop = y + this.layout.tileHeight + GAP - room;
  }

  /** @param {string} id @param {"only" | "toggle" | "range" | "move"} how @param {boolean} [scroll] */
  choose(id, how, scroll = true) {
    if (how === "only") this.selected = new Set([id]);
    if (how === "toggle" && !this.selected.delete(id)) this.selected.add(id);
    if (how === "range") this.selected = new Set(this.#between(this.#anchor ?? id, id));
    if (how !== "range") this.#anchor = id;
    this.cursor = id;
    if (scroll) this.scrollTo(id, "nearest");
    this.#changed();
  }

  /** @param {readonly string[]} ids */
  selectAll(ids) {
    this.selected = new Set(ids);
    this.#changed();
  }

  /** @param {string} key as KeyboardEvent.key @param {"only" | "range" | "move"} how @returns {boolean} whether it is a key of ours */
  step(key, how) {
    const { order, index } = this.layout;
    const i = (this.cursor !== null ? index.get(this.cursor) : undefined) ?? -1;
    const page = Math.max(1, Math.floor(this.root.clientHeight / (this.layout.tileHeight + GAP)) - 1);
    /** @type {Record<string, () => number>} */
    const moves = {
      ArrowLeft: () => Math.max(0, i - 1),
      ArrowRight: () => Math.min(order.length - 1, i + 1),
      ArrowUp: () => (i < 0 ? 0 : inNextRow(this.layout, i, -1)),
      ArrowDown: () => (i < 0 ? 0 : inNextRow(this.layout, i, 1)),
      PageUp: () => this.#rows(i, -1, page),
      PageDown: () => this.#rows(i, 1, page),
      Home: () => 0,
      End: () => order.length - 1,
    };
    const target = order[moves[key]?.() ?? -1];
    if (target !== undefined) this.choose(target, how);
    return key in moves;
  }

  /** What the cursor goes to when these leave their place: the next that stays. @param {readonly string[]} leaving */
  heir(leaving) {
    const gone = new Set(leaving);
    const i = this.layout.index.get(this.cursor ?? "") ?? -1;
    const band = i < 0 ? null : bandOf(this.layout, i);
    const near = band ? this.layout.order.slice(band.first, band.first + band.n) : this.layout.order;
    const at = band ? i - band.first : 0;
    return near.slice(at).find((id) => !gone.has(id)) ?? near.slice(0, at).reverse().find((id) => !gone.has(id)) ?? this.layout.order.slice(Math.max(0, i)).find((id) => !gone.has(id)) ?? null;
  }

  /** @param {number} i @param {1 | -1} step @param {number} times */
  #rows(i, step, times) {
    let at = Math.max(0, i);
    for (let k = 0; k < times; k += 1) at = inNextRow(this.layout, at, step);
    return at;
  }

  /** @param {string} a @param {string} b */
  #between(a, b) {
    const { index, order } = this.layout;
    const ends = [index.get(a) ?? 0, index.get(b) ?? 0];
    return order.slice(Math.min(...ends), Math.max(...ends) + 1);
  }

  #changed() {
    this.refresh();
    this.dispatchEvent(new Event("selection"));
  }

  #relaid() {
    this.layout = layOut(this.#sections, this.root.clientWidth, this.size);
    for (const id of this.selected) if (!this.layout.index.has(id)) this.selected.delete(id);
    if (this.cursor && !this.layout.index.has(this.cursor)) this.cursor = null;
    this.inner.style.height = `${this.layout.height}px`;
    this.refresh();
  }

  #paint() {
    const from = this.root.scrollTop - BEYOND;
    const to = this.root.scrollTop + this.root.clientHeight + BEYOND;
    const seen = this.layout.bands.filter((band) => band.top < to && band.top + band.height > from);
    const keys = new Set(seen.map((band) => band.key));
    for (const [key, group] of this.#groups) if (!keys.has(key)) this.#dropGroup(key, group.root);
    this.#free(seen, from, to);
    for (const band of seen) {
      const group = this.#group(band);
      const [first = 0, end = 0] = seenOf(this.layout, band, from, to);
      for (let i = first; i < end; i += 1) {
        const id = this.layout.order[i];
        if (!id) continue;
        this.#place(id, i, band, group);
      }
    }
    while (this.#spare.length) this.#spare.pop()?.root.remove();
    this.root.setAttribute("aria-activedescendant", (this.cursor && this.#tiles.get(this.cursor)?.root.id) || "");
    this.dispatchEvent(new Event("view"));
  }

  /** @param {string} id @param {number} i @param {import("./layout.js").Band} band @param {HTMLElement} group */
  #place(id, i, band, group) {
    const tile = this.#tiles.get(id) ?? this.#spare.pop() ?? makeTile((this.#made += 1));
    if (tile.root.dataset.id !== id) tile.root.dataset.id = id;
    this.#tiles.set(id, tile);
    drawTile(tile, this.store, id, this.size);
    const { x, y } = placeOf(this.layout, band, i);
    const move = `translate(${x}px, ${y}px)`;
    if (tile.root.style.transform !== move) tile.root.style.transform = move;
    set(tile.root, "aria-selected", String(this.selected.has(id)));
    set(tile.root, "aria-posinset", String(i - band.first + 1));
    set(tile.root, "aria-setsize", String(band.n));
    tile.root.classList.toggle("cursor", id === this.cursor);
    if (tile.root.parentElement !== group) group.append(tile.root);
  }

  /** @param {import("./layout.js").Band} band */
  #group(band) {
    const group = this.#groups.get(band.key) ?? this.#newGroup(band.key);
    if (group.n !== band.n) {
      group.n = band.n;
      group.words.textContent = band.n === 0 ? "none" : band.n === 1 ? "1 cell" : `${band.n} cells`;
      group.root.setAttribute("aria-label", `${this.name(band.key).title}, ${group.words.textContent}`);
    }
    group.head.style.transform = `translateY(${band.top}px)`;
    return group.root;
  }

  /** @param {string} key */
  #newGroup(key) {
    const { title, color } = this.name(key);
    const words = el("span", { class: "muted" });
    const refs = references(key, 6, REFERENCE_PX);
    const head = el("div", { class: "section-head", "aria-hidden": "true" }, swatch(color), el("strong", {}, title), words, refs.length ? el("span", { class: "refs" }, el("span", { class: "muted" }, "reference"), ...refs) : null);
    const root = el("div", { role: "group" }, head);
    this.inner.append(root);
    const group = { root, head, words, n: -1 };
    this.#groups.set(key, group);
    return group;
  }

  /** @param {string} key @param {HTMLElement} root */
  #dropGroup(key, root) {
    for (const tile of root.querySelectorAll(".tile")) this.#release(/** @type {HTMLElement} */ (tile).dataset.id ?? "");
    root.remove();
    this.#groups.delete(key);
  }

  /** Tiles that left the screen show what comes onto it. @param {import("./layout.js").Band[]} seen @param {number} from @param {number} to */
  #free(seen, from, to) {
    const ranges = seen.map((band) => seenOf(this.layout, band, from, to));
    for (const id of [...this.#tiles.keys()]) {
      const i = this.layout.index.get(id) ?? -1;
      if (!ranges.some(([first = 0, end = 0]) => i >= first && i < end)) this.#release(id);
    }
  }

  /** @param {string} id */
  #release(id) {
    const tile = this.#tiles.get(id);
    this.#tiles.delete(id);
    if (tile) this.#spare.push(tile);
  }
}

/** @param {HTMLElement} element @param {string} name @param {string} value */
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
