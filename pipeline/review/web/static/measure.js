// Lengths on the glass: pure numbers.

const ROUND_UM = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

/** @typedef {{x: number, y: number}} Point */

/** @param {Point} a @param {Point} b @param {number | null} umPerPx */
export function lengthText(a, b, umPerPx) {
  const px = Math.hypot(b.x - a.x, b.y - a.y);
  return umPerPx ? `${(px * umPerPx).toFixed(1)} µm` : `${Math.round(px)} px`;
}

/**
 * A round length that takes at most `most` screen px, and how many it takes.
 * @param {number} screenPxPerUm @param {number} most
 */
export function scaleBar(screenPxPerUm, most) {
  const um = ROUND_UM.filter((one) => one * screenPxPerUm <= most).at(-1) ?? 1;
  return { um, px: um * screenPxPerUm, text: um >= 1000 ? `${um / 1000} mm` : `${um} µm` };
}

/** @param {Point} a @param {Point} b @param {{width: number, height: number}} size @returns {[number, number, number, number]} */
export function boxWithin(a, b, { width, height }) {
  const within = (/** @type {number} */ value, /** @type {number} */ most) => Math.round(10 * Math.max(0, Math.min(value, most))) / 10;
  return [within(Math.min(a.x, b.x), width), within(Math.min(a.y, b.y), height), within(Math.max(a.x, b.x), width), within(Math.max(a.y, b.y), height)];
}
