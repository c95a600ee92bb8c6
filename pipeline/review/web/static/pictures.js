// Where the picture of a cell comes from: a sheet of a hundred, or its own where it is shown large.

/** @typedef {import("./store.js").SlideStore} SlideStore */

const ON_SHEET = 100;
const COLUMNS = 10;
const SHEET_CROP_PX = 96;
/** Every crop is so wide on the glass, um. */
export const CROP_UM = 24;

/** Whether a picture has come, by its address. @type {Map<string, boolean>} */
const came = new Map();

/** @param {string} url */
function asking(url) {
  if (came.has(url)) return;
  came.set(url, false);
  const image = new Image();
  image.onload = () => came.set(url, true);
  image.onerror = () => setTimeout(() => came.delete(url), 5000);
  image.src = url;
}

/** @param {SlideStore} store @param {string} id @param {number} px of the screen */
export function cropUrl(store, id, px) {
  const wanted = Math.ceil((px * devicePixelRatio) / 32) * 32;
  const slide = encodeURIComponent(store.slide.slide_id);
  return `/crops/${slide}/${encodeURIComponent(id)}.jpg?px=${Math.min(wanted, 512)}&v=${store.slide.content ?? ""}`;
}

/** @param {SlideStore} store @param {number} sheet */
function sheetUrl(store, sheet) {
  return `/crops/${encodeURIComponent(store.slide.slide_id)}/sheet/${sheet}.jpg?v=${store.slide.content ?? ""}`;
}

/**
 * Shows a cell as the background of an element that is `px` wide and high.
 * @param {HTMLElement} element @param {SlideStore} store @param {string} id @param {number} px
 */
export function showCell(element, store, id, px) {
  const place = store.cells.get(id)?.added ? -1 : (store.place.get(id) ?? -1);
  const layers = [];
  const sizes = [];
  const positions = [];
  if (place < 0 || px * devicePixelRatio > 1.4 * SHEET_CROP_PX) {
    layers.push(`url("${cropUrl(store, id, px)}")`);
    sizes.push(`${px}px ${px}px`);
    positions.push("0 0");
  }
  if (place >= 0) {
    const within = place % ON_SHEET;
    layers.push(`url("${sheetUrl(store, Math.floor(place / ON_SHEET))}")`);
    sizes.push(`${px * COLUMNS}px auto`);
    positions.push(`${-px * (within % COLUMNS)}px ${-px * Math.floor(within / COLUMNS)}px`);
  }
  const urls = [...(place >= 0 ? [sheetUrl(store, Math.floor(place / ON_SHEET))] : []), ...(place < 0 ? [cropUrl(store, id, px)] : [])];
  urls.forEach(asking);
  element.style.backgroundImage = layers.join(", ");
  element.style.backgroundSize = sizes.join(", ");
  element.style.backgroundPosition = positions.join(", ");
}

/** Whether the picture of a cell is there to be looked at. @param {SlideStore} store @param {string} id @param {number} px */
export function hasPicture(store, id, px) {
  const place = store.cells.get(id)?.added ? -1 : (store.place.get(id) ?? -1);
  return came.get(place < 0 ? cropUrl(store, id, px) : sheetUrl(store, Math.floor(place / ON_SHEET))) === true;
}
