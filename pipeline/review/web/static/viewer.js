// The cells in their place on the slide.

import { Refused, galleryPage } from "./api.js";
import { drawCellPanel } from "./cell_panel.js";
import { DeepZoom } from "./deepzoom.js";
import { keysHelp, removing } from "./dialogs.js";
import { buttonById, byId, counted, el, inputById, swatch, toast } from "./dom.js";
import { watchViewing } from "./viewing.js";
import { boxWithin, lengthText, scaleBar } from "./measure.js";
import { drawOverlay, onScreen } from "./overlay.js";
import { classOfKey, onKeys, openSlide } from "./slide_page.js";
import { countedAs, groupOf } from "./store.js";
import { capital, percent } from "./words.js";

/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {"pan" | "add" | "measure"} Mode */

const CLOSE_UP_UM = 80;
const NEW_CELL_UM = 12;
const LEAST_UM = 2;
const USUAL_UM_PER_PX = 0.1;

const store = await openSlide();
const umPerPx = store.slide.um_per_px;
const scale = umPerPx ?? USUAL_UM_PER_PX;
const canvas = /** @type {HTMLCanvasElement} */ (byId("overlay"));
const fieldSelect = /** @type {HTMLSelectElement} */ (/** @type {unknown} */ (byId("field")));

const state = {
  field: "",
  chosen: /** @type {string | null} */ (null),
  mode: /** @type {Mode} */ ("pan"),
  hidden: /** @type {Set<string>} */ (new Set()),
  box: /** @type {[Point, Point] | null} */ (null),
  line: /** @type {[Point, Point] | null} */ (null),
  drawing: false,
};

/** @type {DeepZoom | null} */
let zoom = null;
try {
  zoom = new DeepZoom(byId("view"), () => redraw(), (at) => clicked(at));
} catch (error) {
  showMessage(error);
}

/** @param {unknown} error */
function showMessage(error) {
  byId("view-message").textContent = error instanceof Error ? capital(error.message) : String(error);
  byId("view-message").hidden = false;
}

// Which cells.

const ofField = () => [...store.cells.values()].filter((cell) => cell.field === state.field);
/** @param {Cell} cell */
const isShown = (cell) => (!state.hidden.has(groupOf(cell)) && !state.hidden.has(countedAs(cell)) && 100 * cell.confidence <= Number(inputById("confidence").value)) || cell.id === state.chosen;
const shown = () => ofField().filter(isShown).sort((a, b) => a.box[1] - b.box[1] || a.box[0] - b.box[0]);
const chosenCell = () => (state.chosen ? (store.cells.get(state.chosen) ?? null) : null);

/** @param {string} field @param {string | null} [cell] */
async function showField(field, cell = null) {
  state.field = field;
  state.box = state.line = null;
  fieldSelect.value = field;
  choose(cell, false);
  const known = store.slide.fields.map((one) => one.field_id);
  buttonById("previous-field").disabled = known.indexOf(field) <= 0;
  buttonById("next-field").disabled = known.indexOf(field) >= known.length - 1;
  byId("view-message").hidden = zoom !== null;
  if (!zoom) return;
  try {
    await zoom.show(store.slide.slide_id, field);
  } catch (error) {
    showMessage(error instanceof Refused ? error : new Error("The slide can't be shown: its image could not be read."));
    return;
  }
  const at = chosenCell();
  if (at) goTo(at);
  redraw();
}

/** @param {Cell} cell */
function goTo(cell) {
  const [x0, y0, x1, y1] = cell.box;
  zoom?.goTo({ x: (x0 + x1) / 2, y: (y0 + y1) / 2 }, Math.max(CLOSE_UP_UM / scale, 2 * (x1 - x0)));
}

/** @param {string | null} id @param {boolean} [bring] into view */
function choose(id, bring = false) {
  state.chosen = id;
  const cell = chosenCell();
  drawCell();
  drawList();
  redraw();
  byId("view-status").textContent = cell ? `${capital(store.kind(countedAs(cell)).title)}, ${percent(cell.confidence)} sure` : `${counted(shown().length, "cell")} shown`;
  if (cell && bring && zoom?.isOpen) {
    const { left, right, top, bottom } = onScreen(zoom, cell.box);
    const inside = left > 0 && top > 0 && right < canvas.clientWidth && bottom < canvas.clientHeight;
    if (!inside || right - left < 12) goTo(cell);
  }
}

/** @param {1 | -1} step */
function next(step) {
  const ids = shown().map((cell) => cell.id);
  if (!ids.length) return toast("No cell here.");
  const at = state.chosen ? ids.indexOf(state.chosen) : step > 0 ? -1 : 0;
  choose(ids[(at + step + ids.length) % ids.length] ?? null, true);
}

/** @param {1 | -1} step */
function nextField(step) {
  const known = store.slide.fields.map((one) => one.field_id);
  const field = known[known.indexOf(state.field) + step];
  if (field) void showField(field);
}

/** @param {Point} at of the field */
function clicked(at) {
  const under = shown().filter(({ box: [x0, y0, x1, y1] }) => at.x >= x0 && at.x <= x1 && at.y >= y0 && at.y <= y1);
  under.sort((a, b) => area(a) - area(b));
  choose(under[0]?.id ?? null);
}

/** @param {Cell} cell */
const area = ({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0);

/** @param {string} type */
function name(type) {
  if (!state.chosen) return toast("Choose a cell first.");
  if (store.signed) return toast("This slide is signed: re-open it first.");
  store.reclassify([state.chosen], type);
}

const remove = removing(store, () => (state.chosen ? [state.chosen] : []));

// What is drawn.

let asked = false;
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    if (!zoom?.isOpen) return;
    const cells = inputById("boxes").checked ? shown() : shown().filter((cell) => cell.id === state.chosen);
    drawOverlay(canvas, { toScreen: (point) => /** @type {DeepZoom} */ (zoom).toScreen(point) }, {
      cells,
      chosen: chosenCell(),
      style: (cell) => ({ color: store.kind(countedAs(cell)).color, word: cell.removed ? "removed" : store.kind(countedAs(cell)).abbreviation }),
      box: state.box,
      line: state.line,
      length: state.line ? lengthText(...state.line, umPerPx) : "",
    });
    const bar = scaleBar(zoom.scale / scale, 160);
    byId("scale-bar").style.width = `${bar.px}px`;
    byId("scale-text").textContent = umPerPx ? bar.text : `about ${bar.text}`;
  });
}

function drawCell() {
  drawCellPanel(store, chosenCell(), { name, remove });
}

function drawList() {
  const cells = shown();
  byId("n-here").textContent = String(cells.length);
  const had = document.activeElement?.closest("#cells-here");
  byId("cells-here").replaceChildren(...cells.map((cell) =>
    el("li", {}, el("button", { type: "button", "aria-pressed": String(cell.id === state.chosen), onclick: () => choose(cell.id, true) }, swatch(store.kind(countedAs(cell)).color), cell.removed ? `${store.kind(countedAs(cell)).title} (removed)` : store.kind(countedAs(cell)).title, el("span", { class: "right" }, percent(cell.confidence), cell.looked ? "" : " ○")))));
  const pressed = byId("cells-here").querySelector('[aria-pressed="true"]');
  if (had && pressed instanceof HTMLElement) pressed.focus();
  pressed?.scrollIntoView({ block: "nearest" });
  if (!cells.length) byId("cells-here").append(el("li", { class: "muted" }, "none"));
}

function buildFilter() {
  byId("class-filter").append(...store.slide.classes.map((one) =>
    el("li", {}, el("label", { class: "check" }, el("input", { type: "checkbox", checked: true, onchange: (/** @type {Event} */ event) => {
      if (/** @type {HTMLInputElement} */ (event.target).checked) state.hidden.delete(one.name);
      else state.hidden.add(one.name);
      refilter();
    } }), swatch(one.color), el("span", { class: "title" }, one.title)))));
}

function refilter() {
  byId("confidence-value").textContent = `${inputById("confidence").value} %`;
  choose(state.chosen);
}

// Modes: moving, adding a cell, measuring.

/** @param {Mode} mode */
function setMode(mode) {
  if (mode === "add" && store.signed) return toast("This slide is signed: re-open it first.");
  state.mode = mode;
  state.box = state.line = null;
  zoom?.hold(mode === "pan");
  byId("view-frame").classList.toggle("drawing", mode !== "pan");
  for (const button of document.querySelectorAll(".mode")) button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.mode === mode));
  const middle = zoom?.isOpen ? zoom.toField({ x: canvas.clientWidth / 2, y: canvas.clientHeight / 2 }) : { x: 0, y: 0 };
  const half = NEW_CELL_UM / scale / 2;
  if (mode !== "pan") byId("view-status").textContent = mode === "add" ? "Draw a box round the cell; or arrow keys (Shift: size) and Enter" : "Drag from end to end; or arrow keys";
  if (mode === "add") state.box = [{ x: middle.x - half, y: middle.y - half }, { x: middle.x + half, y: middle.y + half }];
  if (mode === "measure") state.line = [{ x: middle.x - half, y: middle.y }, { x: middle.x + half, y: middle.y }];
  if (mode !== "pan") canvas.focus();
  redraw();
}

/** @param {PointerEvent} event */
function pointOf(event) {
  const frame = canvas.getBoundingClientRect();
  return zoom ? zoom.toField({ x: event.clientX - frame.left, y: event.clientY - frame.top }) : { x: 0, y: 0 };
}

canvas.addEventListener("pointerdown", (event) => {
  if (state.mode === "pan" || event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  const at = pointOf(event);
  state.drawing = true;
  if (state.mode === "add") state.box = [at, at];
  else state.line = [at, at];
});
canvas.addEventListener("pointermove", (event) => {
  if (!state.drawing) return;
  if (state.box) state.box[1] = pointOf(event);
  if (state.line) state.line[1] = pointOf(event);
  redraw();
});
canvas.addEventListener("pointerup", () => {
  if (!state.drawing) return;
  state.drawing = false;
  if (state.mode === "add") void addCell();
  else if (state.line) byId("view-status").textContent = lengthText(...state.line, umPerPx);
});

async function addCell() {
  const field = store.slide.fields.find((one) => one.field_id === state.field);
  if (!state.box || !field) return;
  const box = boxWithin(...state.box, { width: field.width ?? Infinity, height: field.height ?? Infinity });
  if (Math.min(box[2] - box[0], box[3] - box[1]) * scale < LEAST_UM) return toast("Draw a larger box.");
  byId("view-status").textContent = "Naming the cell…";
  try {
    const cell = await store.addCell(state.field, box);
    setMode("pan");
    if (cell) choose(cell.id);
    if (cell) toast(`Added: ${store.kind(cell.machine).title}`);
  } catch (error) {
    toast(error instanceof Refused ? `Not added: ${error.message}` : "Not added: the server does not answer. The box stays; press Enter to try again.");
    redraw();
  }
}

/** Moves the box or the line's end by keys. @param {KeyboardEvent} event @param {number} x @param {number} y */
function nudge(event, x, y) {
  const step = (8 / (zoom?.scale ?? 1)) * 1;
  const move = (/** @type {Point} */ point) => ({ x: point.x + x * step, y: point.y + y * step });
  if (state.box) state.box = [event.shiftKey ? state.box[0] : move(state.box[0]), move(state.box[1])];
  if (state.line) state.line = event.shiftKey ? [move(state.line[0]), move(state.line[1])] : [state.line[0], move(state.line[1])];
  if (state.line) byId("view-status").textContent = lengthText(...state.line, umPerPx);
  redraw();
}

// Keys.

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @type {Record<string, (event: KeyboardEvent) => void>} */
const KEYS = {
  j: () => next(1),
  k: () => next(-1),
  1: () => setMode("pan"),
  2: () => setMode("add"),
  3: () => setMode("measure"),
  v: () => (location.href = galleryPage(store.slide.slide_id, state.chosen ?? undefined)),
  Delete: remove,
  Backspace: remove,
  "+": () => zoom?.zoom(1.5),
  "-": () => zoom?.zoom(1 / 1.5),
  0: () => zoom?.home(),
  PageDown: () => nextField(1),
  PageUp: () => nextField(-1),
  " ": () => { if (state.chosen && !store.signed) { store.markViewed([state.chosen]); next(1); } },
  Enter: () => { if (state.mode === "add") void addCell(); },
  Escape: () => (state.mode === "pan" ? choose(null) : setMode("pan")),
  "?": () => openKeys(),
};

const openKeys = keysHelp(store, [
  ["J", "next cell of this field"],
  ["K", "previous cell"],
  ["Space", "confirm the cell as it is, and go on"],
  ["← ↑ → ↓", "move the slide; in the other modes the box or the line"],
  ["+ -", "nearer, further; 0: the whole field"],
  ["1 2 3", "move, add a cell, measure"],
  ["PageDown", "next field (PageUp: previous)"],
  ["Del", "remove from the count, or put back"],
  ["V", "back to the cells of its class"],
  ["Ctrl+Z", "undo"],
]);

/** @param {KeyboardEvent} event */
function ownKey(event) {
  if (event.ctrlKey || event.metaKey) return false;
  const control = event.target instanceof HTMLElement && event.target.closest("button, a, summary, input");
  const type = classOfKey(store, event);
  const arrow = ARROWS[event.key];
  if (control && (arrow || [" ", "Enter"].includes(event.key))) return false;
  if (type) name(type);
  else if (arrow && state.mode === "pan") zoom?.pan(0.15 * arrow[0], 0.15 * arrow[1]);
  else if (arrow) nudge(event, ...arrow);
  else if (KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key]) KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key]?.(event);
  else return false;
  return true;
}

// Putting it together.

byId("tab-viewer").setAttribute("aria-current", "page");
for (const field of store.slide.fields) fieldSelect.append(el("option", { value: field.field_id }, `${field.field_id} (${field.n_cells})`));
fieldSelect.addEventListener("change", () => void showField(fieldSelect.value));
buttonById("previous-field").addEventListener("click", () => nextField(-1));
buttonById("next-field").addEventListener("click", () => nextField(1));
buttonById("zoom-in").addEventListener("click", () => zoom?.zoom(1.5));
buttonById("zoom-out").addEventListener("click", () => zoom?.zoom(1 / 1.5));
buttonById("zoom-all").addEventListener("click", () => zoom?.home());
inputById("boxes").addEventListener("change", redraw);
inputById("confidence").addEventListener("input", refilter);
for (const button of document.querySelectorAll(".mode")) button.addEventListener("click", () => setMode(/** @type {Mode} */ (/** @type {HTMLElement} */ (button).dataset.mode)));
new ResizeObserver(() => redraw()).observe(canvas);
for (const news of ["cells", "slide"]) store.addEventListener(news, () => choose(state.chosen));
onKeys(store, ownKey);
watchViewing(() => (state.chosen && zoom?.isOpen ? [state.chosen] : []), (ids) => { if (!store.signed) store.markViewed(ids); });
buildFilter();

const wanted = new URLSearchParams(location.search);
const cell = store.cells.get(wanted.get("cell") ?? "") ?? null;
const field = cell?.field ?? wanted.get("field") ?? store.slide.fields.find((one) => one.n_cells)?.field_id ?? store.slide.fields[0]?.field_id;
if (field) await showField(field, cell?.id ?? null);
else showMessage(new Error("This slide has no field."));
document.documentElement.dataset.ready = "yes";
