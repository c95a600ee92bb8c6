// Reference cells: one picture, a row a class, made from the phantom (web/make_reference.py).

import { el } from "./dom.js";

/** As ROWS in web/make_reference.py. */
const REFERENCE_ROWS = ["neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "immature_granulocyte", "erythroblast", "platelet"];
export const REFERENCE_COLUMNS = 6;

/** @param {string} type */
export const hasReference = (type) => REFERENCE_ROWS.includes(type);

/**
 * Cells of a class as they should look, `px` wide each: 24 um, as every crop.
 * @param {string} type @param {number} n @param {number} px
 */
export function references(type, n, px) {
  const row = REFERENCE_ROWS.indexOf(type);
  const count = row < 0 ? 0 : Math.min(n, REFERENCE_COLUMNS);
  return Array.from({ length: count }, (_, column) => {
    const picture = el("span", { class: "reference", "aria-hidden": "true" });
    picture.style.width = picture.style.height = `${px}px`;
    picture.style.backgroundSize = `${px * REFERENCE_COLUMNS}px auto`;
    picture.style.backgroundPosition = `${-px * column}px ${-px * row}px`;
    return picture;
  });
}
