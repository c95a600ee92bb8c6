// Reference cells: the laboratory's own of a class, else the phantom's, which are one picture with a row a class
// (benchmarks/reference_cells.py).

import { get, post } from "./api.js";
import { el } from "./dom.js";

/** @typedef {{id: string, url: string, slide: string, cell: string, by: string, at: string}} Own */

/** As ROWS in benchmarks/reference_cells.py. */
const REFERENCE_ROWS = ["neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "immature_granulocyte", "erythroblast", "platelet"];
export const REFERENCE_COLUMNS = 6;

/** @type {Record<string, Own[]>} */
let own = {};

/** The laboratory's own by class, the newest first. @returns {Record<string, Own[]>} */
export const ownReferences = () => own;

/** @param {string} type */
export const hasOwn = (type) => Boolean(own[type]?.length);

/** @param {string} type */
export const hasReference = (type) => hasOwn(type) || REFERENCE_ROWS.includes(type);

/** What the laboratory has chosen; the phantom's alone where it can't be had. */
export const loadReferences = () => get("/api/references").then(take, () => undefined);

/** A cell of a signed slide, as an example of what it was signed as. @param {string} slide @param {string} cell */
export const keepReference = async (slide, cell) => take(await post("/api/references", { slide, cell }));

/** @param {string} type @param {string} id */
export const dropReference = async (type, id) => take(await post("/api/references/remove", { type, id }));

/** @param {{classes: Record<string, Own[]>}} answer */
function take({ classes }) {
  own = Object.fromEntries(Object.entries(classes).map(([type, cells]) => [type, [...cells].sort((a, b) => (a.at < b.at ? 1 : -1))]));
}

/**
 * Cells of a class as they should look, `px` wide each: 24 um, as every crop.
 * @param {string} type @param {number} n @param {number} px
 */
export function references(type, n, px) {
  const chosen = own[type] ?? [];
  return chosen.length ? chosen.slice(0, n).map((one) => ownPicture(one, px)) : drawn(type, n, px);
}

/** @param {Own} one @param {number} px */
export function ownPicture(one, px) {
  const title = one.slide ? `${one.slide}, cell ${one.cell}; chosen by ${one.by}` : one.id;
  return el("img", { class: "reference", src: one.url, alt: "", title, width: px, height: px });
}

/** @param {string} type @param {number} n @param {number} px */
function drawn(type, n, px) {
  const row = REFERENCE_ROWS.indexOf(type);
  const count = row < 0 ? 0 : Math.min(n, REFERENCE_COLUMNS);
  return Array.from({ length: count }, (_, column) => {
    const picture = el("span", { class: "reference drawn", "aria-hidden": "true" });
    picture.style.width = picture.style.height = `${px}px`;
    picture.style.backgroundSize = `${px * REFERENCE_COLUMNS}px auto`;
    picture.style.backgroundPosition = `${-px * column}px ${-px * row}px`;
    return picture;
  });
}
