// The slides there are, and what is being analyzed.

import { Refused, differencesPage, galleryPage, get, post, request, slidePath, viewerPage } from "./api.js";
import { countsTable, ratios } from "./counts.js";
import { anyDialogOpen, byId, counted, el, inputById, isTyping, when } from "./dom.js";
import { droppedFiles, relativeName } from "./drop.js";
import { connectionFailed } from "./failed.js";

/**
 * @typedef {{slide_id: string, status: string, n_cells: number, n_unidentified: number, n_atypical: number, flags: string[], awaits_third?: boolean, who: string, when: string, version?: number, progress?: Job}} Row
 * @typedef {{number: number, name: string, state: string, done: number, total: number, what: string, rate: number | null, left: number | null, slides: string[], error: string}} Job
 * @typedef {"slide_id" | "status" | "n_cells" | "n_atypical" | "n_unidentified" | "who" | "when"} Column
 */

const POLL_MS = 1500;
const IDLE_POLL_MS = 5000;
const OPEN_STATES = ["queued", "running"];
const STATES = ["analysing", "queued", "in review", "analysed", "signed", "unreadable"];
const UPLOAD_TIMEOUT_MS = 600_000;

const state = {
  rows: /** @type {Row[]} */ ([]),
  jobs: /** @type {Job[]} */ ([]),
  sort: /** @type {Column} */ ("when"),
  down: true,
  chosen: "",
  shownCounts: "",
  shut: /** @type {Set<number>} */ (new Set()),
};

// The table.

function visible() {
  const words = inputById("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (/** @type {Row} */ row) => [row.slide_id, row.status, row.who, ...flagsOf(row)].join(" ").toLowerCase();
  return state.rows.filter((row) => words.every((word) => text(row).includes(word))).sort(compare);
}

/** @param {Row} a @param {Row} b */
function compare(a, b) {
  const order = compared(a, b, state.sort);
  return (state.down ? -order : order) || a.slide_id.localeCompare(b.slide_id, undefined, { numeric: true });
}

/** @param {Row} a @param {Row} b @param {Column} column */
function compared(a, b, column) {
  if (column === "status") return STATES.indexOf(a.status) - STATES.indexOf(b.status);
  const [x, y] = [a[column], b[column]];
  return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
}

function draw() {
  const rows = visible();
  const focused = document.activeElement?.closest("#slides tbody tr");
  const linked = document.activeElement instanceof HTMLAnchorElement;
  if (!rows.some((row) => row.slide_id === state.chosen)) state.chosen = rows[0]?.slide_id ?? "";
  byId("slides").querySelector("tbody")?.replaceChildren(...rows.map(rowOf));
  if (focused) focusChosen(linked);
  byId("n-slides").textContent = rows.length === state.rows.length ? String(rows.length) : `${rows.length} of ${state.rows.length}`;
  for (const button of byId("slides").querySelectorAll("thead button")) {
    const isIt = /** @type {HTMLElement} */ (button).dataset.sort === state.sort;
    button.parentElement?.setAttribute("aria-sort", isIt ? (state.down ? "descending" : "ascending") : "none");
  }
  const none = byId("no-slides");
  none.hidden = rows.length > 0;
  none.textContent = state.rows.length ? "No slide matches the search." : "No slides yet. Drop images or a folder at the right to analyze them.";
  void showCounts();
}

/** @param {Row} row */
function rowOf(row) {
  const isOpen = isReadable(row);
  const some = (/** @type {number} */ n) => el("td", { class: `number ${n ? "some" : "none"}` }, isOpen ? String(n) : "");
  const line = el(
    "tr",
    { tabIndex: row.slide_id === state.chosen ? 0 : -1, class: row.slide_id === state.chosen ? "chosen" : "", data: { slide: row.slide_id } },
    el("th", { scope: "row" }, isOpen ? el("a", { href: galleryPage(row.slide_id), tabIndex: -1 }, row.slide_id) : row.slide_id),
    el("td", {}, el("span", { class: "state", data: { state: row.status } }, row.status)),
    el("td", { class: "number" }, isOpen ? row.n_cells.toLocaleString("en") : ""),
    some(row.n_atypical),
    some(row.n_unidentified),
    el("td", { class: "flags", title: flagsOf(row).join("\n") }, el("span", {}, row.awaits_third ? el("a", { href: differencesPage(row.slide_id), tabIndex: -1 }, THIRD) : null, row.awaits_third && row.flags.length ? "; " : "", row.flags.join("; "))),
    el("td", {}, row.who),
    el("td", { class: "when" }, when(row.when)),
  );
  line.addEventListener("click", () => choose(row.slide_id));
  line.addEventListener("dblclick", () => isOpen && (location.href = galleryPage(row.slide_id)));
  return line;
}

const THIRD = "two readers differ: a third decides";
/** @param {Row} row */
const flagsOf = (row) => [...(row.awaits_third ? [THIRD] : []), ...row.flags];

/** @param {Row} row */
const isReadable = (row) => !["queued", "analysing", "unreadable"].includes(row.status);

/** @param {string} slide */
function choose(slide) {
  state.chosen = slide;
  draw();
  focusChosen(false);
}

/** @param {boolean} link */
function focusChosen(link) {
  const line = [...byId("slides").querySelectorAll("tbody tr")].find((one) => /** @type {HTMLElement} */ (one).dataset.slide === state.chosen);
  const target = link ? line?.querySelector("a") : line;
  if (target instanceof HTMLElement) target.focus({ preventScroll: false });
}

/** @param {number} step */
function move(step) {
  const rows = visible();
  const at = rows.findIndex((row) => row.slide_id === state.chosen);
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
  if (next) choose(next.slide_id);
}

// The counts of the slide that is chosen.

async function showCounts() {
  const row = state.rows.find((one) => one.slide_id === state.chosen);
  const key = row && isReadable(row) ? `${row.slide_id} ${row.version ?? 0} ${row.when}` : "";
  if (key === state.shownCounts) return;
  state.shownCounts = key;
  if (!row || !key) {
    byId("counts").replaceChildren(el("p", { class: "empty" }, row ? "Its counts appear here when the analysis is done." : "Choose a slide to see its counts."));
    return;
  }
  try {
    /** @type {import("./types.js").Slide} */
    const slide = await get(slidePath(row.slide_id));
    if (state.shownCounts === key) drawCounts(slide);
  } catch (error) {
    const why = error instanceof Refused ? error.message : "the server does not answer";
    byId("counts").replaceChildren(el("p", { class: "error" }, `No counts: ${why}.`));
    state.shownCounts = "";
  }
}

/** @param {import("./types.js").Slide} slide */
function drawCounts(slide) {
  const kind = (/** @type {string} */ name) => slide.classes.find((one) => one.name === name) ?? { name, title: name, abbreviation: name, color: "#666666", key: "", counted: false };
  byId("counts").replaceChildren(
    el("h3", {}, slide.slide_id),
    countsTable(slide.differential, kind, { graph: true, machine: false }),
    el("p", { class: "small muted" }, "Bars: share of the differential with its 95 % interval; gray: the usual range."),
    ratios(slide.differential),
    el("p", { class: "links" }, el("a", { href: galleryPage(slide.slide_id) }, "Look at the cells"), el("a", { href: viewerPage(slide.slide_id) }, "See the slide")),
  );
}

// The queue, and what is added to it.

function drawQueue() {
  const shown = state.jobs.filter((job) => OPEN_STATES.includes(job.state) || !state.shut.has(job.number)).slice(-6).reverse();
  byId("queue").replaceChildren(...shown.map(jobItem));
}

/** @param {Job} job */
function jobItem(job) {
  const open = OPEN_STATES.includes(job.state);
  const stop = () => void post(`/api/queue/${job.number}/stop`).then(refresh, showError);
  const shut = () => { state.shut.add(job.number); drawQueue(); };
  const button = el("button", { type: "button", class: "small", "aria-label": `${open ? "Stop" : "Hide"} ${job.name}`, onclick: open ? stop : shut }, open ? "Stop" : "Hide");
  const bar = job.total ? { max: job.total, value: job.done } : {};
  return el(
    "li",
    {},
    el("div", { class: "head" }, el("span", { class: "name" }, job.name), button),
    job.state === "running" ? el("progress", { ...bar, "aria-label": `${job.name}: progress` }) : null,
    el("div", { class: job.state === "failed" ? "small error" : "small muted" }, progress(job)),
  );
}

/** @param {Job} job */
function progress(job) {
  if (job.state === "queued") return "waits for the one before";
  if (job.state === "failed") return `failed: ${job.error || "see the terminal"}`;
  if (job.state !== "running") return job.state === "done" && job.error ? `done; ${job.error}` : job.state;
  const parts = [job.total ? `${job.done} of ${job.total} ${job.what}` : job.what || "starting"];
  if (job.rate) parts.push(`${job.rate.toFixed(1)} a second`);
  if (job.left !== null && job.left !== undefined) parts.push(`${duration(job.left)} left`);
  return parts.join(" · ");
}

/** @param {number} seconds */
const duration = (seconds) => (seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`);

/** @param {File[]} files */
async function upload(files) {
  if (!files.length) return;
  const form = new FormData();
  for (const file of files) form.append("files", file, relativeName(file));
  if (inputById("per-image").checked) form.append("per_image", "1");
  await report(`Sending ${counted(files.length, "file")}…`, async () => {
    const answer = await request("/api/upload", { method: "POST", form, timeoutMs: UPLOAD_TIMEOUT_MS });
    /** @type {{name: string, why: string}[]} */
    const refused = answer.refused ?? [];
    return refused.length ? `Left out: ${refused.slice(0, 5).map((one) => `${one.name} (${one.why})`).join("; ")}${refused.length > 5 ? ` and ${refused.length - 5} more` : ""}` : "";
  });
}

/** @param {string} busy @param {() => Promise<string | void>} action */
async function report(busy, action) {
  const place = byId("add-error");
  place.className = "muted";
  place.textContent = busy;
  place.hidden = false;
  try {
    const left = await action();
    place.className = "error";
    place.textContent = left ?? "";
    place.hidden = !left;
  } catch (error) {
    showError(error);
  }
  await refresh();
}

/** @param {unknown} error */
function showError(error) {
  const place = byId("add-error");
  place.className = "error";
  place.hidden = false;
  place.textContent = error instanceof Refused ? error.message : "The server does not answer; nothing was sent.";
}

// News.

let lost = false;
let first = true;

async function refresh() {
  try {
    const [slides, queue] = await Promise.all([get("/api/slides"), get("/api/queue")]);
    const done = state.jobs.filter((job) => OPEN_STATES.includes(job.state)).map((job) => job.number);
    const before = JSON.stringify([state.rows, state.jobs]);
    state.rows = slides.slides;
    state.jobs = queue.jobs ?? [];
    const fresh = state.jobs.find((job) => done.includes(job.number) && job.state === "done" && job.slides[0]);
    if (fresh?.slides[0]) state.chosen = fresh.slides[0];
    if (JSON.stringify([state.rows, state.jobs]) !== before || lost || first) {
      draw();
      drawQueue();
    }
    if (lost) byId("banner").hidden = true;
    lost = first = false;
  } catch (error) {
    lost = true;
    connectionFailed(error);
  }
}

async function keepFresh() {
  await refresh();
  const busy = lost || state.jobs.some((job) => OPEN_STATES.includes(job.state));
  setTimeout(() => void keepFresh(), busy ? POLL_MS : IDLE_POLL_MS);
}

// Keys and the pointer.

addEventListener("keydown", (event) => {
  if (anyDialogOpen() || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && event.target === inputById("search")) {
    inputById("search").value = "";
    draw();
    focusChosen(false);
    return;
  }
  const inSearch = event.target === inputById("search");
  if (inSearch && (event.key === "ArrowDown" || event.key === "Enter")) focusChosen(false);
  else if (isTyping(event.target)) return;
  else if (event.key === "/") inputById("search").focus();
  else if (event.key === "ArrowDown") move(1);
  else if (event.key === "ArrowUp") move(-1);
  else if (event.key === "Enter" && onRow(event.target)) go(galleryPage);
  else if (event.key.toLowerCase() === "v") go(viewerPage);
  else return;
  event.preventDefault();
});

/** @param {EventTarget | null} target */
const onRow = (target) => target === document.body || target === byId("main") || (target instanceof HTMLElement && target.matches("#slides tbody tr"));

/** @param {(slide: string) => string} page */
function go(page) {
  const row = state.rows.find((one) => one.slide_id === state.chosen);
  if (row && isReadable(row)) location.href = page(row.slide_id);
}

inputById("search").addEventListener("input", draw);
byId("slides").querySelector("thead")?.addEventListener("click", (event) => {
  const column = event.target instanceof HTMLElement ? /** @type {Column | undefined} */ (event.target.dataset.sort) : undefined;
  if (!column) return;
  state.down = state.sort === column ? !state.down : column === "when" || column.startsWith("n_");
  state.sort = column;
  draw();
});

for (const id of ["files", "folder"]) {
  const input = inputById(id);
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    input.value = "";
    void upload(files);
  });
}
byId("path-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const path = inputById("path").value.trim();
  if (path) void report("Looking…", async () => { await post("/api/analyze", { path, per_image: inputById("per-image").checked }); inputById("path").value = ""; });
});

const drop = byId("drop");
for (const name of ["dragenter", "dragover"]) addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
for (const name of ["dragleave", "dragend"]) addEventListener(name, (event) => { if (!(/** @type {DragEvent} */ (event).relatedTarget)) drop.classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  void droppedFiles(event.dataTransfer).then(upload);
});

await keepFresh();
document.documentElement.dataset.ready = "yes";
