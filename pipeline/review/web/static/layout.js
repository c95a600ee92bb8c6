// Where the cells of a gallery stand: pure numbers.

import { UNIT } from "./dom.js";

/**
 * @typedef {{key: string, ids: string[]}} Section
 * @typedef {{key: string, first: number, n: number, top: number, rows: number, height: number}} Band
 * @typedef {object} Layout
 * @property {string[]} order all cells in reading order
 * @property {Map<string, number>} index the place of each in it
 * @property {Band[]} bands one a section
 * @property {number} columns
 * @property {number} gap between columns
 * @property {number} tileWidth
 * @property {number} tileHeight
 * @property {number} height of everything, px
 */

export const HEAD = Math.round(38 * UNIT);
export const EMPTY = 0;
export const GAP = 6;
export const MARGIN = 10;
const MOST_GAP = 20;
/** What a cell is higher than wide: its two lines of words. */
export const WORDS = Math.round(30 * UNIT);

/** @param {readonly Section[]} sections @param {number} width @param {number} size @returns {Layout} */
export function layOut(sections, width, size) {
  const tileHeight = size + WORDS;
  const room = width - 2 * MARGIN;
  const columns = Math.max(1, Math.floor((room + GAP) / (size + GAP)));
  const gap = columns > 1 ? Math.min(MOST_GAP, (room - columns * size) / (columns - 1)) : GAP;
  /** @type {string[]} */
  const order = [];
  /** @type {Band[]} */
  const bands = [];
  let top = 0;
  for (const { key, ids } of sections) {
    const rows = Math.ceil(ids.length / columns);
    const height = HEAD + (rows ? rows * (tileHeight + GAP) : EMPTY) + 4;
    bands.push({ key, first: order.length, n: ids.length, top, rows, height });
    for (const id of ids) order.push(id);
    top += height;
  }
  const index = new Map(order.map((id, i) => [id, i]));
  return { order, index, bands, columns, gap, tileWidth: size, tileHeight, height: top + MARGIN };
}

/** @param {Layout} layout @param {number} i */
export function bandOf(layout, i) {
  const band = layout.bands.find((one) => i >= one.first && i < one.first + one.n);
  if (!band) throw new Error(`no cell ${i}`);
  return band;
}

/** Left and top of a cell, px. @param {Layout} layout @param {Band} band @param {number} i */
export function placeOf(layout, band, i) {
  const within = i - band.first;
  return {
    x: MARGIN + (within % layout.columns) * (layout.tileWidth + layout.gap),
    y: band.top + HEAD + Math.floor(within / layout.columns) * (layout.tileHeight + GAP),
  };
}

/**
 * The cells of a band that stand between two heights, as [first, end).
 * @param {Layout} layout @param {Band} band @param {number} from @param {number} to
 */
export function seenOf(layout, band, from, to) {
  const pitch = layout.tileHeight + GAP;
  const firstRow = Math.max(0, Math.floor((from - band.top - HEAD) / pitch));
  const endRow = Math.min(band.rows, Math.ceil((to - band.top - HEAD) / pitch));
  const first = band.first + firstRow * layout.columns;
  return [first, Math.max(first, Math.min(band.first + band.n, band.first + endRow * layout.columns))];
}

/**
 * The cell above or below another, over the border of a section too.
 * @param {Layout} layout @param {number} i @param {1 | -1} step
 */
export function inNextRow(layout, i, step) {
  const band = bandOf(layout, i);
  const column = (i - band.first) % layout.columns;
  const row = Math.floor((i - band.first) / layout.columns) + step;
  if (row >= 0 && row < band.rows) return Math.min(band.first + row * layout.columns + column, band.first + band.n - 1);
  const others = layout.bands.filter((one) => one.n);
  const next = others[others.indexOf(band) + step];
  if (!next) return i;
  const start = step > 0 ? 0 : (next.rows - 1) * layout.columns;
  return next.first + Math.min(start + column, next.n - 1);
}
