// The cells of a slide by class: looking, naming, confirming.

import { viewerPage } from "./api.js";
import { keysHelp, removing } from "./dialogs.js";
import { dragCells } from "./drag.js";
import { byId, counted, el, inputById, swatch, toast, UNIT } from "./dom.js";
import { Grid } from "./grid.js";
import { watchViewing } from "./viewing.js";
import { whyNot } from "./failed.js";
import { hasOwn, hasReference, keepReference, loadReferences, references } from "./reference.js";
import { referenceDialog } from "./reference_dialog.js";
import { classOfKey, onKeys, openSlide } from "./slide_page.js";
import { ATYPICAL, UNIDENTIFIED, countedAs, groupOf } from "./store.js";
import { capital, percent } from "./words.js";
import { CROP_UM, hasPicture } from "./pictures.js";

/** @typedef {import("./types.js").Cell} Cell */

/** On top: what a person must decide first. */
const FIRST = [ATYPICAL, UNIDENTIFIED, "immature_granulocyte", "erythroblast"];
const DISPLAY_KEY = "leukodiff-gallery-look";
const PLAIN = { size: String(8 * Math.round(12 * UNIT)), brightness: "100", contrast: "100" };
const INSETS_PX = 6;

const [store] = await Promise.all([openSlide(), loadReferences()]);
const classes = [...FIRST, ...store.slide.classes.map((one) => one.name).filter((name) => !FIRST.includes(name))];
/** Which groups are shown though they are empty: the five of a normal differential, and what one looks for. */
const always = new Set(store.slide.classes.filter((one) => one.counted).map((one) => one.name).concat(UNIDENTIFIED));

const name = (/** @type {string} */ key) =>
  key === ATYPICAL ? { title: "Atypical: unlike every class", color: "#b3003b" } : { title: capital(store.kind(key).title), color: store.kind(key).color };
const grid = new Grid(byId("grid"), store, name);

/** @type {Record<string, (cell: Cell) => boolean>} */
const SHOWN = {
  all: (cell) => !cell.removed,
  unlooked: (cell) => !cell.removed && !cell.looked,
  changed: (cell) => !cell.removed && (cell.added || cell.person !== null),
  removed: (cell) => cell.removed,
};
const filter = () => SHOWN[inputById("show").value] ?? (() => true);
/** Cells that were looked at stay where they are until the filter is set anew. */
let kept = new Set(/** @type {string[]} */ ([]));

function sections() {
  const wanted = filter();
  /** @type {Map<string, Cell[]>} */
  const groups = new Map(classes.map((key) => [key, []]));
  for (const cell of store.cells.values()) if (wanted(cell) || kept.has(cell.id)) (groups.get(groupOf(cell)) ?? groups.get(countedAs(cell)))?.push(cell);
  return [...groups]
    .filter(([key, cells]) => cells.length || always.has(key))
    .map(([key, cells]) => ({ key, ids: cells.sort(leastCertainFirst).map((cell) => cell.id) }));
}

/** Whether a cell stands where it belongs: most news change only how it looks. @param {string} id */
function isInPlace(id) {
  const cell = store.cell(id);
  const shown = filter()(cell) || kept.has(id);
  return shown ? grid.keyOf(id) === groupOf(cell) : grid.keyOf(id) === undefined;
}

/** @param {Cell} a @param {Cell} b */
const leastCertainFirst = (a, b) => Number(b.atypical) - Number(a.atypical) || a.confidence - b.confidence || (a.id < b.id ? -1 : 1);

function arrange() {
  grid.show(sections());
  drawRail();
  drawSelection();
}

/** @param {readonly string[]} ids @param {string} type */
function reclassify(ids, type) {
  if (refuseSigned()) return;
  if (!ids.length) return toast("Choose a cell first.");
  const heir = ids.every((id) => groupOf(store.cell(id)) === type) ? null : grid.heir(ids);
  const n = store.reclassify(ids, type);
  if (n) toast(`${counted(n, "cell")}: ${store.kind(type).title}`);
  if (heir) grid.choose(heir, "only");
  else if (ids.length === 1) grid.step("ArrowRight", "only");
}

function refuseSigned() {
  if (store.signed) toast("This slide is signed: re-open it first.");
  return store.signed;
}

/** @param {readonly string[]} ids @param {boolean} goOn */
function confirm(ids, goOn) {
  if (refuseSigned()) return;
  const n = store.markViewed(ids);
  toast(n ? `${counted(n, "cell")} looked at` : "Looked at already.");
  if (goOn && ids.length === 1) grid.step("ArrowRight", "only");
}

const chosen = () => (grid.selected.size ? [...grid.selected] : grid.cursor ? [grid.cursor] : []);
const remove = removing(store, chosen, () => undefined);

// The classes at the left: how many, their keys, and where cells are dropped.

/** @type {Map<string, {root: HTMLElement, count: HTMLElement}>} */
const rail = new Map();

function buildRail() {
  for (const key of classes) {
    const kind = key === ATYPICAL ? null : store.kind(key);
    const count = el("span", { class: "count" });
    const title = kind ? kind.title : "atypical";
    const root = el(
      "button",
      { type: "button", class: "rail-item", data: { type: kind ? key : "", key }, onclick: () => { grid.jumpTo(key); grid.root.focus({ preventScroll: true }); } },
      kind?.key ? el("kbd", {}, kind.key.toUpperCase()) : el("kbd", { "aria-hidden": "true" }, "!"),
      swatch(name(key).color),
      el("span", { class: "title" }, title),
      count,
    );
    rail.set(key, { root, count });
    byId("rail").append(el("li", {}, root));
  }
}

function drawRail() {
  const n = new Map(grid.layout.bands.map((band) => [band.key, band.n]));
  for (const [key, { root, count }] of rail) {
    count.textContent = String(n.get(key) ?? 0);
    root.title = key === ATYPICAL ? "Cells unlike every class; they leave this group when a person names them" : `${store.kind(key).title}: jump there; press ${store.kind(key).key.toUpperCase()} or drag cells here to name them so`;
  }
}

function drawCurrent() {
  const current = grid.currentKey;
  for (const [key, { root }] of rail) root.classList.toggle("current", key === current);
}

let drawn = 0;
/** In the next frame, however often it is asked for. */
function drawSelection() {
  cancelAnimationFrame(drawn);
  drawn = requestAnimationFrame(drawSelectionNow);
}

function drawSelectionNow() {
  const ids = chosen();
  const all = grid.layout.order.length;
  const unlooked = [...store.cells.values()].filter((cell) => !cell.looked && !cell.removed).length;
  byId("selection").textContent = `${grid.selected.size ? `${grid.selected.size} of ` : ""}${counted(all, "cell")}${grid.selected.size ? " selected" : ""} · ${unlooked ? `${unlooked} not looked at` : "all looked at"}`;
  drawCompare(ids[0] && store.cells.has(ids.at(-1) ?? "") ? store.cell(grid.cursor ?? ids[0]) : null);
}

/** @param {Cell | null} cell */
function drawCompare(cell) {
  if (!cell) return;
  const px = Math.min(grid.size - INSETS_PX, 112);
  const guesses = cell.leading.filter(([, share]) => share > 0);
  byId("compare").replaceChildren(
    el("p", { class: "small" }, cell.id, ": ", el("strong", {}, store.kind(countedAs(cell)).title), cell.person && cell.person !== cell.machine ? `, the machine said ${store.kind(cell.machine).title}` : "", cell.note ? `; ${cell.note}` : ""),
    ...guesses.map(([type, share]) =>
      el(
        "div",
        { class: "compare-class" },
        el("h3", {}, swatch(store.kind(type).color), `${capital(store.kind(type).title)} `, el("strong", {}, percent(share))),
        el("div", { class: "refs" }, ...(hasReference(type) ? references(type, innerHeight < 900 ? 3 : 6, px) : [el("span", { class: "muted small" }, "no reference cells")])),
      ),
    ),
    el("p", { class: "compare-note" }, referenceNote(guesses.map(([type]) => type))),
    mayKeep(cell) ? el("button", { type: "button", class: "small", onclick: () => void keep(cell) }, "Keep as a reference") : "",
  );
}

/** @param {string[]} types */
function referenceNote(types) {
  const shown = types.filter(hasReference);
  const own = shown.filter(hasOwn).length;
  if (!shown.length) return "";
  if (own === shown.length) return "The laboratory's own reference cells, at the same scale.";
  return own ? "At the same scale; where the laboratory has none of its own, drawn ones (the phantom's)." : "Reference cells are drawn (the phantom's), at the same scale.";
}

/** Examples come from signed slides. @param {Cell} cell */
const mayKeep = (cell) => store.slide.status === "signed" && countedAs(cell) !== UNIDENTIFIED && !cell.removed && (store.slide.can?.includes("sign") ?? true);

/** @param {Cell} cell */
async function keep(cell) {
  try {
    await keepReference(store.slide.slide_id, cell.id);
    toast(`${cell.id} is a reference of ${store.kind(countedAs(cell)).title} now.`);
    referencesChanged();
  } catch (error) {
    toast(whyNot(error));
  }
}

function referencesChanged() {
  grid.renew();
  drawSelection();
}

// What one sees them by: size, brightness, contrast; kept on this computer.

function display() {
  return { size: inputById("size").value, brightness: inputById("brightness").value, contrast: inputById("contrast").value };
}

function applyDisplay() {
  const { size, brightness, contrast } = display();
  const plain = brightness === "100" && contrast === "100";
  document.documentElement.style.setProperty("--picture-filter", plain ? "none" : `brightness(${brightness}%) contrast(${contrast}%)`);
  byId("scale-bar").style.width = `${((Number(size) - INSETS_PX) * 10) / CROP_UM}px`;
  if (grid.size !== Number(size)) grid.resize(Number(size));
  localStorage.setItem(DISPLAY_KEY, JSON.stringify(display()));
}

/** @param {Record<string, string>} values */
function setDisplay(values) {
  for (const [id, value] of Object.entries(values)) if (id in PLAIN) inputById(id).value = value;
  applyDisplay();
}

/** @param {number} step */
function zoom(step) {
  setDisplay({ size: String(grid.size + step) });
}

// Keys.

/** @type {Record<string, (event: KeyboardEvent) => void>} */
const KEYS = {
  " ": (event) => (event.ctrlKey && grid.cursor ? grid.choose(grid.cursor, "toggle") : confirm(chosen(), true)),
  Enter: () => confirm(grid.onScreen(), false),
  v: () => (location.href = viewerPage(store.slide.slide_id, grid.cursor ?? undefined)),
  Delete: remove,
  Backspace: remove,
  "?": () => openKeys(),
  "+": () => zoom(16),
  "-": () => zoom(-16),
  0: () => setDisplay(PLAIN),
  Escape: () => grid.selectAll([]),
};

const openKeys = keysHelp(store, [
  ["Space", "confirm the chosen cells as they are, and go on"],
  ["Enter", "confirm all that are wholly on screen"],
  ["← ↑ → ↓", "go to another cell; with Shift: choose up to it"],
  ["Ctrl+A", "choose all of this class"],
  ["Ctrl+Z", "undo"],
  ["Ctrl+Shift+Z", "redo"],
  ["Del", "remove from the count, or put back"],
  ["V", "see the cell in its place"],
  ["+ -", "larger, smaller"],
  ["0", "size, brightness and contrast as they were"],
]);

/** @param {KeyboardEvent} event */
function ownKey(event) {
  const onControl = event.target instanceof HTMLElement && event.target.closest("button, a, summary, input");
  if (onControl && [" ", "Enter", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return false;
  const type = classOfKey(store, event);
  if (type) {
    reclassify(chosen(), type);
    return true;
  }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
    const band = grid.layout.bands.find((one) => one.key === grid.currentKey);
    if (band) grid.selectAll(grid.layout.order.slice(band.first, band.first + band.n));
    return true;
  }
  if (grid.step(event.key, event.shiftKey ? "range" : event.ctrlKey ? "move" : "only")) return true;
  const action = KEYS[event.key] ?? (event.ctrlKey || event.metaKey ? undefined : KEYS[event.key.toLowerCase()]);
  if (!action || ((event.ctrlKey || event.metaKey) && event.key !== " ")) return false;
  action(event);
  return true;
}

// Putting it together.

grid.root.addEventListener("click", (event) => {
  const tile = event.target instanceof Element ? /** @type {HTMLElement | null} */ (event.target.closest(".tile")) : null;
  if (tile?.dataset.id) grid.choose(tile.dataset.id, event.shiftKey ? "range" : event.ctrlKey || event.metaKey ? "toggle" : "only");
});
grid.root.addEventListener("dblclick", () => KEYS["v"]?.(new KeyboardEvent("keydown")));
dragCells({
  root: grid.root,
  selected: () => grid.selected,
  choose: (id) => grid.choose(id, "only", false),
  drop: (ids, type) => reclassify(ids, type),
  title: (type) => store.kind(type).title,
  typeAt: (element) => {
    const target = element.closest("[data-type]");
    if (target instanceof HTMLElement) return target.dataset.type ?? "";
    const tile = element.closest(".tile");
    const key = tile instanceof HTMLElement ? grid.keyOf(tile.dataset.id ?? "") : undefined;
    return key && key !== ATYPICAL ? key : "";
  },
});
grid.addEventListener("selection", drawSelection);
grid.addEventListener("view", drawCurrent);
store.addEventListener("cells", (event) => {
  const ids = /** @type {CustomEvent<{ids: string[] | null}>} */ (event).detail.ids;
  if (inputById("show").value === "unlooked") for (const id of ids ?? []) kept.add(id);
  if (ids?.every((id) => isInPlace(id))) {
    grid.refresh();
    drawSelection();
  } else {
    arrange();
  }
});
inputById("show").addEventListener("change", () => {
  kept = new Set();
  arrange();
});
for (const id of Object.keys(PLAIN)) inputById(id).addEventListener("input", applyDisplay);
byId("plain").addEventListener("click", () => setDisplay(PLAIN));
onKeys(store, ownKey);
watchViewing(() => grid.onScreen().filter((id) => hasPicture(store, id, grid.size - INSETS_PX)), (ids) => { if (!store.signed) store.markViewed(ids); });

byId("tab-gallery").setAttribute("aria-current", "page");
buildRail();
byId("reference-button").addEventListener("click", referenceDialog(store, referencesChanged));
setDisplay({ ...PLAIN, ...JSON.parse(localStorage.getItem(DISPLAY_KEY) ?? "{}") });
arrange();
const asked = new URLSearchParams(location.search).get("cell");
const first = asked && store.cells.has(asked) ? asked : grid.layout.order[0];
if (first) grid.choose(first, "only", false);
if (asked && first) requestAnimationFrame(() => grid.scrollTo(first, "middle"));
if (!store.cells.size) grid.root.append(el("p", { class: "section-none" }, "No white cells were found on this slide. Add missed ones under Place."));
grid.root.focus({ preventScroll: true });
document.documentElement.dataset.ready = "yes";
