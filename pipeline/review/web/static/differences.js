// Where two readers differ: both words beside the cell, and the third reader's choice.

import { get, slidePath, viewerPage } from "./api.js";
import { keysHelp } from "./dialogs.js";
import { UNIT, byId, counted, el, swatch, toast, when } from "./dom.js";
import { whyNot } from "./failed.js";
import { cropUrl } from "./pictures.js";
import { classOfKey, onKeys, openSlide } from "./slide_page.js";
import { capital, percent } from "./words.js";

/**
 * @typedef {{cell: import("./types.js").Cell, first: string | null, second: string | null, decided: boolean, now: string | null}} Difference
 * @typedef {{awaits_third: boolean, readers: import("./types.js").Signature[], you: number | null, undecided: number, differences: Difference[]}} Found
 */

const PICTURE_PX = Math.round(112 * UNIT);
const REMOVED = "removed";
const NO_CELL = "not a cell";
const THIRD = 3;

const store = await openSlide();
/** @type {Found} */
let found = { awaits_third: false, readers: [], you: null, undecided: 0, differences: [] };
let at = 0;

const mayDecide = () => found.you === THIRD && found.awaits_third && !store.signed;
const title = (/** @type {string | null} */ type) => (type === null || type === REMOVED ? NO_CELL : store.kind(type).title);
const reader = (/** @type {number} */ n) => found.readers.find((one) => one.reader === n)?.name ?? `Reader ${n}`;

async function refresh() {
  try {
    found = await get(`${slidePath(store.slide.slide_id)}/differences`);
    draw();
  } catch (error) {
    byId("differences").replaceChildren(el("li", { class: "empty" }, whyNot(error)));
  }
}

function draw() {
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.at : undefined;
  at = Math.max(0, Math.min(at, found.differences.length - 1));
  const readers = found.readers.filter((one) => one.reader < THIRD).map((one) => `${one.name} (signed ${when(one.at)})`);
  byId("differences-title").textContent = readers.join(" and ");
  byId("differences-left").textContent = `${counted(found.differences.length, "difference")}, ${found.undecided ? `${found.undecided} to decide` : "all decided"}`;
  byId("differences").replaceChildren(...found.differences.map(item), ...(found.differences.length ? [] : [el("li", { class: "empty" }, "The two readers agree on every cell.")]));
  byId("differences-status").textContent = statusText();
  if (focused) /** @type {HTMLElement | undefined} */ ([...document.querySelectorAll("[data-at]")].find((one) => /** @type {HTMLElement} */ (one).dataset.at === focused))?.focus();
}

function statusText() {
  const third = found.readers.find((one) => one.reader === THIRD);
  if (third) return `Decided and signed by ${third.name}.`;
  if (mayDecide()) return found.undecided ? "You decide, as the third reader." : "All is decided: sign when you are done.";
  return found.awaits_third ? "A third reader decides: neither of the two." : "";
}

/** @param {Difference} one @param {number} i */
function item(one, i) {
  const { cell } = one;
  const guesses = cell.leading.filter(([, p]) => p > 0).map(([type, p]) => `${store.kind(type).title} ${percent(p)}`).join(", ");
  const line = el(
    "li",
    { class: `difference${one.decided ? " decided" : ""}`, tabIndex: i === at ? 0 : -1, data: { at: cell.id } },
    el("img", { src: cropUrl(store, cell.id, PICTURE_PX), alt: `Cell ${cell.id}, 24 micrometers wide`, width: PICTURE_PX, height: PICTURE_PX }),
    el("div", {}, el("p", { class: "verdict" }, one.decided ? `Decided: ${title(one.now)}` : "Not decided"), el("p", { class: "small muted" }, cell.added ? "added by a person" : `the machine: ${guesses || title(cell.machine)}`), el("p", { class: "small muted" }, `cell ${cell.id}`)),
    el("div", { class: "words", role: "group", "aria-label": `Cell ${cell.id}: what it is` }, word(one, 1), word(one, 2), other(one)),
  );
  line.addEventListener("focusin", () => go(i, false));
  return line;
}

/** @param {Difference} one @param {1 | 2} n */
function word(one, n) {
  const type = n === 1 ? one.first : one.second;
  const pressed = one.decided && one.now === (type ?? REMOVED);
  return el(
    "button",
    { type: "button", disabled: !mayDecide(), "aria-pressed": String(pressed), data: { at: `${n} ${one.cell.id}` }, onclick: () => decide(one, type) },
    el("kbd", { "aria-hidden": "true" }, String(n)), type ? swatch(store.kind(type).color) : el("span"), el("span", {}, capital(title(type))),
    el("span", { class: "muted" }, reader(n)),
  );
}

/** @param {Difference} one */
function other(one) {
  const neither = one.decided && one.now !== (one.first ?? REMOVED) && one.now !== (one.second ?? REMOVED);
  const option = (/** @type {string} */ value, /** @type {string} */ text) => el("option", { value, selected: neither && one.now === value }, text);
  const choice = el("select", { disabled: !mayDecide(), data: { at: `o ${one.cell.id}` } }, option("", "choose"), ...store.slide.classes.map((kind) => option(kind.name, kind.title)), option(REMOVED, NO_CELL));
  choice.addEventListener("change", () => choice.value && decide(one, choice.value === REMOVED ? null : choice.value));
  return el("label", { class: "small" }, "something else", choice);
}

/** @param {Difference} one @param {string | null} type */
function decide(one, type) {
  if (!mayDecide()) return toast("Only the third reader decides, until it is signed.");
  store.decide(one.cell.id, type, one.now === REMOVED);
  toast(`${one.cell.id}: ${title(type)}`);
  const next = found.differences.findIndex((other_, i) => i > at && !other_.decided);
  if (next > 0) go(next, true);
}

/** @param {number} i @param {boolean} focus */
function go(i, focus) {
  at = Math.max(0, Math.min(i, found.differences.length - 1));
  const lines = [...document.querySelectorAll(".difference")].map((one) => /** @type {HTMLElement} */ (one));
  lines.forEach((one, k) => (one.tabIndex = k === at ? 0 : -1));
  if (focus) lines[at]?.focus();
}

const openKeys = keysHelp(store, [
  ["1", "what the first reader said"],
  ["2", "what the second reader said"],
  ["Del", "not a cell"],
  ["↑ ↓", "go to another difference"],
  ["V", "see the cell in its place"],
  ["Ctrl+Z", "undo"],
  ["Ctrl+Shift+Z", "redo"],
]);

/** @param {KeyboardEvent} event */
function ownKey(event) {
  const one = found.differences[at];
  if (event.ctrlKey || event.metaKey || !one) return false;
  const type = classOfKey(store, event);
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowDown: () => go(at + 1, true),
    ArrowUp: () => go(at - 1, true),
    1: () => decide(one, one.first),
    2: () => decide(one, one.second),
    Delete: () => decide(one, null),
    v: () => (location.href = viewerPage(store.slide.slide_id, one.cell.id)),
    "?": openKeys,
  };
  const action = type ? () => decide(one, type) : (keys[event.key] ?? keys[event.key.toLowerCase()]);
  action?.();
  return Boolean(action);
}

onKeys(store, ownKey);
store.addEventListener("slide", () => void refresh());
byId("tab-differences").setAttribute("aria-current", "page");
await refresh();
go(found.differences.findIndex((one) => !one.decided), true);
document.documentElement.dataset.ready = "yes";
