// Descriptions of cells in words.

import { countedAs } from "./store.js";

/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {import("./store.js").SlideStore} SlideStore */

/** Rounded down: 99.7 % sure is not 100 %. @param {number} share 0-1 */
export const percent = (share) => (share > 0 && share < 0.01 ? "<\u00a01\u00a0%" : `${Math.floor(100 * share + 1e-9)}\u00a0%`);

/** A short note on a cell's picture. @param {SlideStore} store @param {Cell} cell */
export function markOf(store, cell) {
  if (cell.removed) return "removed";
  const machine = store.kind(cell.machine).abbreviation;
  if (cell.person && cell.person !== cell.machine) return `machine ${machine}`;
  const parts = [cell.added ? "added" : "", cell.person ? "✓" : "", cell.atypical && !cell.person ? "atypical" : ""];
  return parts.filter(Boolean).join(" ");
}

/** All of it, for a screen reader and a tool tip. @param {SlideStore} store @param {Cell} cell */
export function sentence(store, cell) {
  const title = (/** @type {string} */ name) => store.kind(name).title;
  const guesses = cell.leading.filter(([, p]) => p > 0).map(([name, p]) => `${title(name)} ${percent(p)}`);
  const person = cell.person && (cell.person === cell.machine ? "confirmed by a person" : `the machine said ${title(cell.machine)}`);
  return [
    title(countedAs(cell)),
    cell.removed && "removed from the count",
    cell.added && "added by a person",
    person,
    cell.atypical && "unlike every class (atypical)",
    guesses.length ? `likeliest: ${guesses.join(", ")}` : "",
    cell.note,
    cell.looked ? "looked at" : "not looked at",
  ].filter(Boolean).join("; ");
}

/** @param {string} text */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
