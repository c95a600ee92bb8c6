// The boxes over the slide, the box that is being drawn, and the line that is being measured.

import { UNIT } from "./dom.js";

/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {{toScreen: (point: Point) => Point}} View */

/**
 * @typedef {object} Drawing
 * @property {readonly Cell[]} cells
 * @property {Cell | null} chosen
 * @property {(cell: Cell) => {color: string, word: string}} style
 * @property {[Point, Point] | null} box being drawn, px of the field
 * @property {[Point, Point] | null} line being measured
 * @property {string} length text of the line
 */

const DARK = "#111111";
const LIGHT = "#ffffff";

/** @param {HTMLCanvasElement} canvas @param {View} view @param {Drawing} drawing */
export function drawOverlay(canvas, view, drawing) {
  const scale = devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== width * scale || canvas.height !== height * scale) Object.assign(canvas, { width: width * scale, height: height * scale });
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = `600 ${12 * UNIT}px system-ui, sans-serif`;
  for (const cell of drawing.cells) {
    const box = onScreen(view, cell.box);
    if (box.right > 0 && box.bottom > 0 && box.left < width && box.top < height) drawCell(pen, box, drawing.style(cell), cell === drawing.chosen, cell.removed);
  }
  if (drawing.box) drawBox(pen, drawing.box.map(view.toScreen));
  if (drawing.line) drawLine(pen, drawing.line.map(view.toScreen), drawing.length);
}

/** @param {View} view @param {readonly number[]} box */
export function onScreen(view, [x0 = 0, y0 = 0, x1 = 0, y1 = 0]) {
  const [a, b] = [view.toScreen({ x: x0, y: y0 }), view.toScreen({ x: x1, y: y1 })];
  return { left: Math.min(a.x, b.x), top: Math.min(a.y, b.y), right: Math.max(a.x, b.x), bottom: Math.max(a.y, b.y) };
}

/**
 * @param {CanvasRenderingContext2D} pen @param {ReturnType<typeof onScreen>} box
 * @param {{color: string, word: string}} style @param {boolean} chosen @param {boolean} removed
 */
function drawCell(pen, { left, top, right, bottom }, { color, word }, chosen, removed) {
  const [width, height] = [right - left, bottom - top];
  pen.setLineDash(removed ? [4, 4] : []);
  for (const [line, stroke] of /** @type {[number, string][]} */ ([[chosen ? 8 : 4, chosen ? DARK : LIGHT], [chosen ? 5 : 0, LIGHT], [chosen ? 3 : 2, color]])) {
    if (!line) continue;
    pen.lineWidth = line * UNIT;
    pen.strokeStyle = stroke;
    pen.strokeRect(left, top, width, height);
  }
  pen.setLineDash([]);
  if (width > 18 || chosen) drawLabel(pen, word, left, top - 17 * UNIT, color);
}

/** @param {CanvasRenderingContext2D} pen @param {string} word @param {number} x @param {number} y @param {string} color */
function drawLabel(pen, word, x, y, color) {
  const width = pen.measureText(word).width + 8 * UNIT;
  pen.fillStyle = LIGHT;
  pen.fillRect(x - 1, y, width + 4 * UNIT, 16 * UNIT);
  pen.fillStyle = color;
  pen.fillRect(x - 1, y, 4 * UNIT, 16 * UNIT);
  pen.fillStyle = DARK;
  pen.fillText(word, x + 6 * UNIT, y + 12 * UNIT);
}

/** @param {CanvasRenderingContext2D} pen @param {Point[]} corners */
function drawBox(pen, [a = { x: 0, y: 0 }, b = { x: 0, y: 0 }]) {
  for (const [line, stroke, dash] of /** @type {[number, string, number[]][]} */ ([[4, LIGHT, []], [2, DARK, [6, 4]]])) {
    pen.lineWidth = line * UNIT;
    pen.strokeStyle = stroke;
    pen.setLineDash(dash);
    pen.strokeRect(Math.min(a.x, b.x), Math.min(a.y, b.y), Math.abs(a.x - b.x), Math.abs(a.y - b.y));
  }
  pen.setLineDash([]);
}

/** @param {CanvasRenderingContext2D} pen @param {Point[]} ends @param {string} length */
function drawLine(pen, [a = { x: 0, y: 0 }, b = { x: 0, y: 0 }], length) {
  for (const [line, stroke] of /** @type {[number, string][]} */ ([[5, LIGHT], [2, DARK]])) {
    pen.lineWidth = line * UNIT;
    pen.strokeStyle = stroke;
    pen.beginPath();
    pen.moveTo(a.x, a.y);
    pen.lineTo(b.x, b.y);
    pen.stroke();
  }
  drawLabel(pen, length, (a.x + b.x) / 2 + 8, (a.y + b.y) / 2 - 20 * UNIT, DARK);
}
