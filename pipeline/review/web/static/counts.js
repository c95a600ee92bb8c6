// Counts as a table and as bars.

import { el, svg, swatch } from "./dom.js";

/** @typedef {import("./types.js").Differential} Differential */
/** @typedef {import("./types.js").CountRow} CountRow */
/** @typedef {import("./types.js").CellClass} CellClass */

const FLAGS = /** @type {Record<string, string>} */ ({ high: "↑ high", low: "↓ low", "possibly high": "↑? possibly high", "possibly low": "↓? possibly low" });

/** @param {number | null | undefined} value @param {number} [digits] */
const number = (value, digits = 1) => (value === null || value === undefined ? "" : value.toFixed(digits));

/** @param {{low: number | null, high: number | null}} one */
const interval = (one) => (one.low === null || one.high === null ? "" : `${number(one.low)}–${number(one.high)}`);

/**
 * @param {Differential} counts @param {(name: string) => CellClass} kind
 * @param {{fresh?: boolean, graph?: boolean, machine?: boolean}} [options] `fresh`: the intervals are those of the counts
 */
export function countsTable(counts, kind, { fresh = true, graph = false, machine = true } = {}) {
  const scale = Math.max(1, ...counts.rows.map((row) => Math.max(row.high ?? 0, row.reference_high ?? 0)));
  const head = ["Class", "n", "%", "95 %", machine ? "machine" : "", graph ? "0 to " + Math.ceil(scale) + " %" : ""];
  const firstApart = counts.rows.find((row) => row.percent === null && !kind(row.type).counted);
  return el(
    "table",
    { class: "counts-table" },
    el("caption", { class: "hidden" }, `Counts of ${counts.n} cells, with 95 % intervals`),
    el("thead", {}, el("tr", {}, ...head.filter(Boolean).map((text, i) => el("th", { scope: "col", class: i > 0 && i < 5 ? "number" : "" }, text)))),
    el("tbody", {}, ...counts.rows.map((row) => countsRow(row, kind(row.type), { fresh, graph, machine, scale, apart: row === firstApart }))),
  );
}

/**
 * @param {CountRow} row @param {CellClass} kind
 * @param {{fresh: boolean, graph: boolean, machine: boolean, scale: number, apart: boolean}} options
 */
function countsRow(row, kind, { fresh, graph, machine, scale, apart }) {
  const flag = FLAGS[row.flag] ?? row.flag;
  const reference = row.reference_high === null ? "" : `usual ${number(row.reference_low, 0)} to ${number(row.reference_high, 0)} %`;
  const changed = row.machine_count !== row.count;
  return el(
    "tr",
    { class: apart ? "apart" : "", title: [reference, flag].filter(Boolean).join("; ") },
    el("th", { scope: "row" }, el("span", { class: "named" }, swatch(kind.color), kind.title), flag ? el("span", { class: "hidden" }, ` (${row.flag})`) : null),
    el("td", { class: "number" }, String(row.count)),
    el("td", { class: row.flag ? "number flagged" : "number" }, (row.flag ? (FLAGS[row.flag]?.split(" ")[0] ?? "!") + "\u2009" : "") + number(row.percent)),
    el("td", { class: `number interval${fresh ? "" : " stale"}` }, interval(row)),
    machine && el("td", { class: "number machine", title: changed ? "The machine counted otherwise" : "" }, changed ? String(row.machine_count) : "="),
    graph && el("td", { class: "graph" }, bar(row, kind.color, scale)),
  );
}

/** @param {CountRow} row @param {string} color @param {number} scale percent at the right end */
function bar(row, color, scale) {
  if (row.percent === null) return "";
  const x = (/** @type {number | null} */ value) => (100 * (value ?? 0)) / scale;
  const parts = [svg("rect", { class: "bar", x: 0, y: 4, width: Math.max(0.5, x(row.percent)), height: 8, fill: color })];
  if (row.reference_high !== null) parts.unshift(svg("rect", { class: "range", x: x(row.reference_low), y: 0, width: x(row.reference_high) - x(row.reference_low), height: 16 }));
  if (row.low !== null) parts.push(svg("path", { class: "whisker", d: `M${x(row.low)} 8H${x(row.high)}M${x(row.low)} 5V11M${x(row.high)} 5V11`, "vector-effect": "non-scaling-stroke" }));
  return svg("svg", { class: "bars", viewBox: "0 0 100 16", preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts);
}

/** Ratios beneath the table. @param {Differential} counts */
export function ratios(counts) {
  const line = (/** @type {string} */ name, /** @type {import("./types.js").Estimate | null} */ one) =>
    one && one.value !== null ? [el("dt", {}, name), el("dd", {}, number(one.value), " ", el("span", { class: "muted" }, interval(one)))] : [];
  const parts = [...line("Neutrophils to lymphocytes", counts.nlr), ...line("Erythroblasts per 100 WBC", counts.erythroblasts_per_100)];
  return parts.length ? el("dl", { class: "extra" }, ...parts) : "";
}

/** What the counts are at once, before the server has worked out the intervals.
 * @param {Differential} known @param {Map<string, number>} now @param {(name: string) => CellClass} kind @returns {Differential} */
export function recounted(known, now, kind) {
  const n = [...now].filter(([type]) => kind(type).counted).reduce((sum, [, count]) => sum + count, 0);
  const rows = known.rows.map((row) => ({ ...row, count: now.get(row.type) ?? 0 }));
  for (const [type, count] of now) {
    if (count && !rows.some((row) => row.type === type)) rows.push({ type, count, percent: null, low: null, high: null, reference_low: null, reference_high: null, flag: "", machine_count: 0 });
  }
  const shared = rows.map((row) => ({ ...row, percent: kind(row.type).counted && n ? (100 * row.count) / n : null }));
  return { ...known, n, unidentified: now.get("unidentified") ?? 0, rows: shared };
}
