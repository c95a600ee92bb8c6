// One cell in the gallery.

import { el } from "./dom.js";
import { WORDS } from "./layout.js";
import { showCell } from "./pictures.js";
import { countedAs } from "./store.js";
import { markOf, percent, sentence } from "./words.js";

/** @typedef {import("./store.js").SlideStore} SlideStore */

const INSET = 3;

/** @typedef {{root: HTMLElement, edge: HTMLElement, picture: HTMLElement, mark: HTMLElement, first: HTMLElement[], second: HTMLElement[], shown: string}} Tile */

/** @param {number} number @returns {Tile} */
export function makeTile(number) {
  const words = () => [el("span"), el("span")];
  const first = words();
  const second = words();
  const edge = el("span", { class: "edge" });
  const picture = el("span", { class: "picture" });
  const mark = el("span", { class: "mark" });
  const root = el(
    "div",
    { class: "tile", id: `tile-${number}` },
    edge, picture, mark,
    el("span", { class: "unseen" }),
    el("span", { class: "words" }, el("span", { class: "first" }, ...first), el("span", { class: "second" }, ...second)),
  );
  root.setAttribute("role", "option");
  return { root, edge, picture, mark, first, second, shown: "" };
}

/** Draws a cell unless it looks as it did. @param {Tile} tile @param {SlideStore} store @param {string} id @param {number} size */
export function drawTile(tile, store, id, size) {
  const cell = store.cell(id);
  const label = sentence(store, cell);
  const state = `${id}|${size}|${label}`;
  if (tile.shown === state) return;
  tile.shown = state;
  tile.root.style.width = `${size}px`;
  tile.root.style.height = `${size + WORDS}px`;
  tile.picture.style.height = `${size - 2 * INSET}px`;
  showCell(tile.picture, store, id, size - 2 * INSET);
  tile.root.setAttribute("aria-label", label);
  tile.root.title = label;
  tile.edge.style.backgroundColor = store.kind(countedAs(cell)).color;
  tile.mark.textContent = markOf(store, cell);
  tile.root.classList.toggle("looked", cell.looked);
  tile.root.classList.toggle("removed", cell.removed);
  writeGuess(tile.first, store, cell.leading[0]);
  writeGuess(tile.second, store, cell.leading[1]);
}

/** @param {HTMLElement[]} words @param {SlideStore} store @param {[string, number] | undefined} guess */
function writeGuess([name, share], store, guess) {
  const known = guess && guess[1] > 0;
  if (name) name.textContent = known ? store.kind(guess[0]).abbreviation : "";
  if (share) share.textContent = known ? percent(guess[1]) : "";
}
