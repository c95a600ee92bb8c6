// What the gallery and the viewer of a slide have in common.

import { differencesPage } from "./api.js";
import { connectionFailed } from "./failed.js";
import { showConnection } from "./connection.js";
import { countsTable, ratios, recounted } from "./counts.js";
import { conflicts, refusals, signing } from "./dialogs.js";
import { anyDialogOpen, buttonById, byId, counted, el, isTyping, toast } from "./dom.js";
import { SlideStore } from "./store.js";

const EXPORTS = [
  ["pdf", "PDF report"],
  ["html", "HTML report"],
  ["xlsx", "Excel workbook"],
  ["csv", "Cells (CSV)"],
  ["fhir", "FHIR"],
  ["hl7", "HL7 v2"],
];
const GOALS = [100, 200];
const GOAL_KEY = "leukodiff-goal";

/** Opens the slide of this page, or says why not. @returns {Promise<SlideStore>} */
export async function openSlide() {
  try {
    const store = await SlideStore.open(document.body.dataset.slide ?? "");
    showConnection(store);
    signing(store);
    conflicts(store);
    refusals(store);
    exportsMenu(store);
    buttonById("undo").addEventListener("click", () => store.undo());
    buttonById("redo").addEventListener("click", () => store.redo());
    const draw = drawCounts(store);
    store.addEventListener("cells", draw);
    store.addEventListener("slide", draw);
    draw();
    return store;
  } catch (error) {
    connectionFailed(error);
    throw error;
  }
}

/** @param {SlideStore} store */
function exportsMenu(store) {
  const menu = /** @type {HTMLDetailsElement} */ (byId("export"));
  const slide = encodeURIComponent(store.slide.slide_id);
  byId("export").querySelector("ul")?.append(...EXPORTS.map(([kind, title]) => el("li", {}, el("a", { href: `/api/slides/${slide}/export/${kind}`, download: "" }, title ?? ""))));
  addEventListener("click", (event) => {
    if (!menu.contains(/** @type {Node} */ (event.target)) || event.target instanceof HTMLAnchorElement) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => event.key === "Escape" && (menu.open = false));
}

/** @param {SlideStore} store @returns {() => void} draws in the next frame, however often it is called */
function drawCounts(store) {
  let asked = false;
  let goal = Number(localStorage.getItem(GOAL_KEY)) || 100;
  let reached = viewedCount(store) >= goal;
  const draw = () => {
    asked = false;
    const known = store.slide.differential;
    const counts = store.fresh ? known : recounted(known, store.counts(), (name) => store.kind(name));
    byId("counts-n").textContent = counts.n ? `n = ${counts.n}` : "";
    byId("counts").replaceChildren(countsTable(counts, (name) => store.kind(name), { fresh: store.fresh }), ratios(counts));
    byId("remarks").replaceChildren(agreementLine(store.slide.agreement, store.slide.slide_id), store.slide.remarks.length ? el("ul", { class: "remark-list" }, ...store.slide.remarks.map((text) => el("li", {}, text))) : "");
    const seen = viewedCount(store);
    byId("counter").replaceChildren(...counter(seen, counts.n, goal, choose));
    if (seen >= goal && !reached && goal) toast(`${goal} cells of the differential were looked at.`);
    reached = seen >= goal;
    byId("tab-differences").hidden = !store.slide.agreement && !document.body.classList.contains("page-differences");
    drawState(store);
  };
  const choose = (/** @type {number} */ chosen) => {
    goal = chosen;
    reached = true;
    localStorage.setItem(GOAL_KEY, String(goal));
    draw();
  };
  return () => {
    if (!asked) requestAnimationFrame(draw);
    asked = true;
  };
}

/** How far two readers agree. @param {import("./types.js").Agreement | null | undefined} agreement @param {string} slideId */
function agreementLine(agreement, slideId) {
  if (!agreement) return "";
  const { kappa, pairs, differences, awaits_third: awaitsThird } = agreement;
  const value = kappa ? `kappa ${kappa.value.toFixed(2)}${kappa.low === null || kappa.high === null ? "" : ` (${kappa.low.toFixed(2)}–${kappa.high.toFixed(2)})`}` : "no kappa";
  return el("p", {}, `Two readers on ${counted(pairs, "cell")}: ${value}, ${counted(differences.length, "difference")}${awaitsThird ? "; a third reader decides" : ""}. `, differences.length && !document.body.classList.contains("page-differences") ? el("a", { href: differencesPage(slideId) }, "See them") : "");
}

/** Cells of the differential that a person has looked at. @param {SlideStore} store */
function viewedCount(store) {
  let n = 0;
  for (const cell of store.cells.values()) if (cell.looked && !cell.removed && store.kind(cell.person ?? cell.machine).counted) n += 1;
  return n;
}

/** @param {number} seen @param {number} all @param {number} goal @param {(goal: number) => void} choose */
function counter(seen, all, goal, choose) {
  const button = (/** @type {number} */ value) =>
    el("button", { type: "button", class: "small", "aria-pressed": String(goal === value), "aria-label": `Count to ${value}`, onclick: () => { choose(value); /** @type {HTMLElement | null} */ (document.querySelector(`.goals [aria-pressed="true"]`))?.focus(); } }, String(value));
  const text = seen >= goal ? `${seen} looked at: ${goal} reached` : `${seen} of ${goal} looked at`;
  return [
    el("div", { class: "line" }, el("progress", { max: goal, value: Math.min(seen, goal), "aria-label": "Cells of the differential looked at" }), el("span", { class: "goals" }, ...GOALS.map(button))),
    el("p", { class: "small muted" }, text, all < goal ? ` (the slide has ${all})` : ""),
  ];
}

/** @param {SlideStore} store */
function drawState(store) {
  const { status, signatures } = store.slide;
  const last = signatures.at(-1);
  byId("state").textContent = status;
  byId("state").dataset.state = status;
  byId("state").title = status === "signed" && last ? `signed by ${last.name}` : "";
  buttonById("undo").disabled = !store.canUndo;
  buttonById("redo").disabled = !store.canRedo;
  const button = buttonById("sign-button");
  const maySign = store.slide.can?.includes("sign") ?? true;
  button.disabled = !maySign;
  button.textContent = status === "signed" || store.signed ? "Re-open…" : "Sign…";
  document.body.classList.toggle("signed", store.signed);
}

/**
 * Undo and redo, then `keys` of the page: a function for a key, which may answer false for "not mine".
 * @param {SlideStore} store @param {(event: KeyboardEvent) => boolean} own
 */
export function onKeys(store, own) {
  addEventListener("keydown", (event) => {
    if (anyDialogOpen() || isTyping(event.target) || event.altKey) return;
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (command && key === "z") (event.shiftKey ? store.redo() : store.undo());
    else if (command && key === "y") store.redo();
    else if (!own(event)) return;
    event.preventDefault();
  });
}

/** @param {SlideStore} store @param {KeyboardEvent} event @returns {string | undefined} the class of a key */
export function classOfKey(store, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  return store.slide.classes.find((one) => one.key && one.key === event.key.toLowerCase())?.name;
}
