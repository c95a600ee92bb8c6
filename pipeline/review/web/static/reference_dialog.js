// The laboratory's own reference cells: what there is, and taking one away.

import { byId, counted, dialogById, el, swatch, when } from "./dom.js";
import { whyNot } from "./failed.js";
import { dropReference, ownPicture, ownReferences } from "./reference.js";
import { capital } from "./words.js";

const PICTURE_PX = 96;

/** Makes the dialog. @param {import("./store.js").SlideStore} store @param {() => void} changed @returns {() => void} opens it */
export function referenceDialog(store, changed) {
  const maySign = store.slide.can?.includes("sign") ?? true;
  const draw = () => {
    const all = Object.entries(ownReferences()).filter(([, cells]) => cells.length);
    const none = "None yet: beside the gallery stand drawn ones (the phantom's). Choose a cell of a signed slide, then “Keep as a reference”.";
    byId("reference-cells").replaceChildren(...(all.length ? all.map(([type, cells]) => section(type, cells)) : [el("p", { class: "muted" }, none)]));
  };
  /** @param {string} type @param {import("./reference.js").Own[]} cells */
  const section = (type, cells) =>
    el("section", { class: "own-class" }, el("h3", {}, swatch(store.kind(type).color), `${capital(store.kind(type).title)}, ${counted(cells.length, "cell")}`), el("ul", { class: "own-cells" }, ...cells.map((one) => item(type, one))));
  /** @param {string} type @param {import("./reference.js").Own} one */
  const item = (type, one) => {
    const picture = ownPicture(one, PICTURE_PX);
    picture.alt = `${store.kind(type).title} ${one.cell || one.id}`;
    const from = one.slide ? `${one.slide}, ${one.cell}; ${one.by}, ${when(one.at)}` : one.id;
    return el("li", {}, picture, el("div", { class: "muted" }, from), maySign && el("button", { type: "button", class: "small", "aria-label": `Take away ${one.cell || one.id}`, onclick: () => void away(type, one.id) }, "Take away"));
  };
  /** @param {string} type @param {string} id */
  const away = async (type, id) => {
    const error = byId("reference-error");
    error.hidden = true;
    try {
      await dropReference(type, id);
      draw();
      changed();
    } catch (failure) {
      error.textContent = whyNot(failure);
      error.hidden = false;
    }
  };
  return () => {
    draw();
    dialogById("reference-dialog").showModal();
  };
}
