// Cells that a person has looked at.

const TICK_MS = 250;
const LEAST_MS = 1000;
const A_CELL_MS = 100;
const IDLE_MS = 30_000;

export const VIEWED_RULE =
  "A cell counts as looked at once a person has named or confirmed it (Space, or Enter for all on screen), or once " +
  "its picture has been wholly on screen, without a break, for 1 second and for at least 0.1 seconds for each cell on " +
  "screen with it: 60 cells take 6 seconds. Time counts only while this page is in front and somebody has moved " +
  "the pointer, scrolled or pressed a key within the last 30 seconds. A ring in the corner marks a cell that was not looked at yet.";

/**
 * Calls `onViewed` with the cells that have been on screen for long enough.
 * @param {() => string[]} onScreen @param {(ids: string[]) => void} onViewed
 */
export function watchViewing(onScreen, onViewed) {
  /** @type {Map<string, number>} */
  let dwell = new Map();
  let active = -Infinity;
  for (const name of ["pointermove", "wheel", "keydown", "pointerdown"]) {
    addEventListener(name, () => (active = performance.now()), { passive: true, capture: true });
  }
  setInterval(() => {
    const present = document.visibilityState === "visible" && document.hasFocus() && performance.now() - active < IDLE_MS && !document.querySelector("dialog[open]");
    const ids = onScreen();
    dwell = new Map(ids.map((id) => [id, (dwell.get(id) ?? 0) + (present ? TICK_MS : 0)]));
    const needed = Math.max(LEAST_MS, A_CELL_MS * ids.length);
    if (present) onViewed(ids.filter((id) => (dwell.get(id) ?? 0) >= needed));
  }, TICK_MS);
}
