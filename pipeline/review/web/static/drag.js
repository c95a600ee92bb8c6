// Dragging cells onto a class, by mouse, pen or finger.

import { counted, el } from "./dom.js";

const FAR_ENOUGH_PX = 6;

/**
 * @typedef {object} Dragging
 * @property {HTMLElement} root where the cells are
 * @property {() => Set<string>} selected
 * @property {(id: string) => void} choose
 * @property {(ids: string[], type: string) => void} drop
 * @property {(type: string) => string} title
 * @property {(element: Element) => string} typeAt the class that an element stands for, or ""
 */

/** @param {Dragging} options */
export function dragCells({ root, selected, choose, drop, title, typeAt }) {
  /** @type {{x: number, y: number, id: string, ghost: HTMLElement | null, over: Element | null} | null} */
  let held = null;

  root.addEventListener("pointerdown", (event) => {
    const tile = event.target instanceof Element ? event.target.closest(".tile") : null;
    const id = tile instanceof HTMLElement ? tile.dataset.id : undefined;
    if (id && event.button === 0 && event.pointerType !== "touch") held = { x: event.clientX, y: event.clientY, id, ghost: null, over: null };
  });

  addEventListener("pointermove", (event) => {
    if (!held) return;
    if (!held.ghost) {
      if (Math.hypot(event.clientX - held.x, event.clientY - held.y) < FAR_ENOUGH_PX) return;
      if (!selected().has(held.id)) choose(held.id);
      held.ghost = el("div", { class: "drag-ghost" });
      document.body.append(held.ghost);
    }
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const type = under ? typeAt(under) : "";
    mark(held, under?.closest(".rail-item") ?? null);
    held.ghost.textContent = `${counted(selected().size, "cell")}${type ? ` → ${title(type)}` : ""}`;
    held.ghost.style.transform = `translate(${event.clientX + 14}px, ${event.clientY + 10}px)`;
  });

  addEventListener("pointerup", (event) => {
    const done = held;
    held = null;
    if (!done?.ghost) return;
    done.ghost.remove();
    mark(done, null);
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const type = under ? typeAt(under) : "";
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }), 0);
    if (type) drop([...selected()], type);
  });

  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !held) return;
    held.ghost?.remove();
    mark(held, null);
    held = null;
  });
}

/** The click that ends a drag chooses nothing. @param {Event} event */
function swallow(event) {
  event.stopPropagation();
  event.preventDefault();
}

/** @param {{over: Element | null}} held @param {Element | null} over */
function mark(held, over) {
  if (held.over === over) return;
  held.over?.classList.remove("over");
  over?.classList.add("over");
  held.over = over;
}
