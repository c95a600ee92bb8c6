// OpenSeadragon over the tiles of a field; without it the page says what to run.

import { get } from "./api.js";

/** @typedef {{x: number, y: number}} Point */

export const MISSING = "The slide can't be shown: OpenSeadragon is missing. Run `npm ci && npm run build` in pipeline/review/web.";

/** A slide's field on the screen; points are px of the field and px of the element. */
export class DeepZoom {
  /** @param {HTMLElement} root @param {() => void} moved @param {(at: Point) => void} clicked */
  constructor(root, moved, clicked) {
    const library = window.OpenSeadragon;
    if (!library) throw new Error(MISSING);
    this.library = library;
    this.osd = library({
      element: root,
      drawer: "canvas",
      showNavigationControl: false,
      animationTime: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 0.35,
      springStiffness: 9,
      visibilityRatio: 0.5,
      maxZoomPixelRatio: 8,
      minZoomImageRatio: 0.8,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      gestureSettingsPen: { clickToZoom: false },
      gestureSettingsTouch: { clickToZoom: false },
    });
    this.osd.addHandler("update-viewport", moved);
    this.osd.addHandler("canvas-click", (event) => event.quick && clicked(this.toField({ x: event.position.x, y: event.position.y })));
    this.osd.addHandler("canvas-key", (event) => (event.preventDefaultAction = true));
    // Keys belong to the page; the library's own element would be a stop on the way without a name.
    this.osd.canvas.tabIndex = -1;
  }

  /** @param {string} slide @param {string} field @returns {Promise<void>} */
  async show(slide, field) {
    const base = `/tiles/${encodeURIComponent(slide)}/${encodeURIComponent(field)}`;
    const facts = await get(`${base}.json`);
    const source = new this.library.TileSource({
      width: facts.width,
      height: facts.height,
      tileSize: facts.tile,
      tileOverlap: facts.overlap,
      minLevel: 0,
      maxLevel: facts.levels - 1,
    });
    source.getTileUrl = (level, x, y) => `${base}/${level}/${x}_${y}.jpg?v=${facts.content ?? ""}`;
    await new Promise((done, failed) => {
      this.osd.addOnceHandler("open", () => done(undefined));
      this.osd.addOnceHandler("open-failed", (event) => failed(new Error(event.message)));
      this.osd.open(source);
    });
  }

  get isOpen() {
    return this.osd.world.getItemCount() > 0;
  }

  /** @param {Point} point of the element @returns {Point} of the field */
  toField({ x, y }) {
    const { viewport } = this.osd;
    const found = viewport.viewportToImageCoordinates(viewport.pointFromPixel(new this.library.Point(x, y), true));
    return { x: found.x, y: found.y };
  }

  /** @param {Point} point of the field @returns {Point} of the element */
  toScreen({ x, y }) {
    const { viewport } = this.osd;
    const found = viewport.pixelFromPoint(viewport.imageToViewportCoordinates(x, y), true);
    return { x: found.x, y: found.y };
  }

  /** Screen px that a px of the field takes. */
  get scale() {
    return this.isOpen ? this.toScreen({ x: 1, y: 0 }).x - this.toScreen({ x: 0, y: 0 }).x : 1;
  }

  /** Brings a place to the middle, near enough to see it. @param {Point} center @param {number} span px of the field across the screen */
  goTo(center, span) {
    const { viewport } = this.osd;
    const half = span / 2;
    const frame = viewport.imageToViewportRectangle(center.x - half, center.y - half, span, span);
    viewport.fitBounds(frame);
  }

  /** @param {number} factor */
  zoom(factor) {
    this.osd.viewport.zoomBy(factor);
    this.osd.viewport.applyConstraints();
  }

  /** @param {number} x @param {number} y parts of the screen */
  pan(x, y) {
    const bounds = this.osd.viewport.getBounds();
    this.osd.viewport.panBy(new this.library.Point(x * bounds.width, y * bounds.height));
    this.osd.viewport.applyConstraints();
  }

  home() {
    this.osd.viewport.goHome();
  }

  /** @param {boolean} free whether the pointer moves the slide */
  hold(free) {
    this.osd.setMouseNavEnabled(free);
  }
}
