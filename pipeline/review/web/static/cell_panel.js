// One cell at the side of the slide: what it is, and what it may be called.

import { byId, el, swatch } from "./dom.js";
import { cropUrl } from "./pictures.js";
import { countedAs } from "./store.js";
import { capital, percent } from "./words.js";

/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {import("./store.js").SlideStore} SlideStore */

const PICTURE_PX = 144;

/**
 * @param {SlideStore} store @param {Cell | null} cell
 * @param {{name: (type: string) => void, remove: () => void}} actions
 */
export function drawCellPanel(store, cell, { name, remove }) {
  const place = byId("cell");
  if (!cell) {
    place.replaceChildren(el("p", { class: "muted" }, "Choose a cell: click its box, or press J."));
    return;
  }
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.type : undefined;
  const title = (/** @type {string} */ type) => capital(store.kind(type).title);
  const size = store.slide.um_per_px ? `${((cell.box[2] - cell.box[0]) * store.slide.um_per_px).toFixed(1)} × ${((cell.box[3] - cell.box[1]) * store.slide.um_per_px).toFixed(1)} µm` : "";
  place.replaceChildren(
    el("img", { class: "cell-picture", src: cropUrl(store, cell.id, PICTURE_PX), alt: `Cell ${cell.id}, 24 micrometers wide`, width: PICTURE_PX, height: PICTURE_PX }),
    facts([
      ["Counts as", el("strong", {}, cell.removed ? "removed from the count" : title(countedAs(cell)))],
      ["Machine", cell.added && cell.confidence === 0 ? "not classified" : `${title(cell.machine)}${cell.atypical ? ", atypical" : ""}`],
      ["Person", cell.person ? title(cell.person) : cell.looked ? "looked at" : "not looked at"],
      ["Likeliest", cell.leading.filter(([, p]) => p > 0).map(([type, p]) => `${store.kind(type).title} ${percent(p)}`).join(", ")],
      ["Size", size],
      ["Note", cell.note],
      ["Cell", cell.id],
    ]),
    el("div", { class: "class-buttons", role: "group", "aria-label": "Call it" }, ...store.slide.classes.map((one) =>
      el("button", { type: "button", disabled: store.signed, "aria-pressed": String(countedAs(cell) === one.name), data: { type: one.name }, title: one.title, onclick: () => name(one.name) }, el("kbd", {}, one.key.toUpperCase()), swatch(one.color), el("span", { class: "title" }, one.title)))),
    el("p", { class: "row" }, el("button", { type: "button", class: "small", disabled: store.signed, onclick: remove }, cell.removed ? "Put back in the count" : "Remove from the count…")),
  );
  if (focused) /** @type {HTMLElement | null} */ (place.querySelector(`[data-type="${focused}"]`))?.focus();
}

/** @param {[string, Node | string][]} rows */
function facts(rows) {
  return el("dl", { class: "cell-facts" }, ...rows.filter(([, what]) => what).flatMap(([word, what]) => [el("dt", {}, word), el("dd", {}, what)]));
}
