// A slide as this page knows it: the server's state, with the changes that are on their way to it.

import { Refused, Unreachable, get, post, slidePath } from "./api.js";
import { Outbox } from "./outbox.js";

/** @typedef {import("./types.js").Slide} Slide */
/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Operation} Operation */
/** @typedef {import("./types.js").Step} Step */

export const UNIDENTIFIED = "unidentified";
export const ATYPICAL = "atypical";
const POLL_MS = 2000;

/**
 * Fires `cells` {ids}: these are drawn or counted otherwise; `slide`: everything else that a page shows;
 * `connection`; `conflict` {operation, theirs}; `refused` {operation, error}.
 */
export class SlideStore extends EventTarget {
  /** @type {Map<string, Cell>} */
  cells = new Map();
  /** @type {Map<string, number>} the place of each cell's picture on the sheets */
  place = new Map();
  /** Whether the intervals are those of the counts. */
  fresh = true;
  /** @type {Step[]} */
  #done = [];
  /** @type {Step[]} */
  #undone = [];

  /** @param {Slide} slide */
  constructor(slide) {
    super();
    this.slide = slide;
    this.outbox = new Outbox(slide.slide_id, () => this.slide.version);
    this.outbox.addEventListener("answer", (event) => this.#answered(/** @type {CustomEvent} */ (event).detail));
    this.outbox.addEventListener("refused", (event) => void this.#refused(/** @type {CustomEvent} */ (event).detail));
    this.outbox.addEventListener("state", () => this.#emit("connection"));
    this.#take(slide);
    void this.outbox.send();
    setInterval(() => void this.#poll(), POLL_MS);
  }

  /** @param {string} slideId */
  static async open(slideId) {
    return new SlideStore(await get(slidePath(slideId)));
  }

  get signed() {
    return this.slide.locked ?? this.slide.status === "signed";
  }

  get canUndo() {
    return !this.signed && (this.slide.undo || this.#done.length > 0);
  }

  get canRedo() {
    return !this.signed && (this.slide.redo || this.#undone.length > 0);
  }

  /** @param {string} id @returns {Cell} */
  cell(id) {
    const cell = this.cells.get(id);
    if (!cell) throw new Error(`no cell ${id}`);
    return cell;
  }

  /** @param {string} name @returns {import("./types.js").CellClass} */
  kind(name) {
    const known = this.slide.classes.find((one) => one.name === name);
    return known ?? { name, title: name.replaceAll("_", " "), abbreviation: name.slice(0, 3).toUpperCase(), color: "#666666", key: "", counted: false };
  }

  /** Cells by the type that counts, of those that were not removed. */
  counts() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const cell of this.cells.values()) {
      if (!cell.removed) counts.set(countedAs(cell), (counts.get(countedAs(cell)) ?? 0) + 1);
    }
    return counts;
  }

  /** @param {readonly string[]} ids @param {string} type */
  reclassify(ids, type) {
    const moving = ids.filter((id) => this.cell(id).person !== type && (this.cell(id).machine !== type || this.cell(id).person || this.cell(id).atypical));
    const unseen = ids.filter((id) => !this.cell(id).looked);
    if (this.signed) return 0;
    if (!moving.length) {
      this.markViewed(ids);
      return 0;
    }
    const from = Object.fromEntries(moving.map((id) => [id, this.cell(id).person]));
    this.#remember({ person: Object.fromEntries(moving.map((id) => [id, this.cell(id).person])), removed: {} });
    const cells = Object.fromEntries(moving.map((id) => [id, { from: from[id], to: type }]));
    this.#do({ kind: "reclassified", payload: { cells, undo_of: null } });
    if (unseen.length) this.#do({ kind: "looked_at", payload: { cells: unseen } });
    return moving.length;
  }

  /** A third reader's word, though it be what the first two left it at.
   * @param {string} id @param {string | null} type null: not a cell @param {boolean} wasRemoved */
  decide(id, type, wasRemoved) {
    if (this.signed) return;
    this.#undone = [];
    if (type === null) return this.#do({ kind: "cell_removed", payload: { cells: [id] } });
    if (wasRemoved) this.#do({ kind: "cell_restored", payload: { cells: [id] } });
    this.#do({ kind: "reclassified", payload: { cells: { [id]: { from: this.cells.get(id)?.person, to: type } } } });
  }

  /** @param {readonly string[]} ids @param {string} reason */
  remove(ids, reason) {
    this.#setRemoved(ids.filter((id) => !this.cell(id).removed), true, reason);
  }

  /** @param {readonly string[]} ids */
  restore(ids) {
    this.#setRemoved(ids.filter((id) => this.cell(id).removed), false, "");
  }

  /** @param {readonly string[]} ids */
  markViewed(ids) {
    const cells = ids.filter((id) => !this.cell(id).looked);
    if (cells.length && !this.signed) this.#do({ kind: "looked_at", payload: { cells } });
    return cells.length;
  }

  undo() {
    if (this.canUndo) this.#step("undo", this.#done, this.#undone);
  }

  redo() {
    if (this.canRedo) this.#step("redo", this.#undone, this.#done);
  }

  /** @param {string} field @param {[number, number, number, number]} box @returns {Promise<Cell | null>} */
  async addCell(field, box) {
    const answer = await this.#now("cells", { field, box });
    await this.reload();
    this.#remember({ person: {}, removed: {} });
    return this.cells.get(answer.cell?.id) ?? null;
  }

  /** @param {Record<string, string>} body */
  async sign(body) {
    await this.#now("sign", body);
    await this.reload();
  }

  /** @param {string} reason */
  async reopen(reason) {
    await this.#now("reopen", { reason });
    await this.reload();
  }

  /** Reads everything anew, and lays what is still on its way over it. */
  async reload() {
    this.#take(await get(slidePath(this.slide.slide_id)));
    this.#emit("cells", { ids: null });
    this.#emit("slide");
  }

  /** @param {string} what @param {Record<string, any>} body @returns {Promise<any>} */
  async #now(what, body) {
    await this.outbox.empty();
    return post(`${slidePath(this.slide.slide_id)}/${what}`, { ...body, version: this.slide.version });
  }

  /** @param {Slide} slide */
  #take(slide) {
    this.slide = slide;
    this.cells = new Map(slide.cells.map((cell) => [cell.id, cell]));
    this.place = new Map(slide.cells.map((cell, number) => [cell.id, number]));
    this.fresh = true;
    this.#settleClashes((id) => this.cells.get(id)?.person);
    for (const operation of this.outbox.pending) this.#apply(operation);
  }

  /**
   * What waits here for a cell that somebody else has named meanwhile is not sent over their word.
   * @param {(id: string) => string | null | undefined} serverValue what the server has; undefined: no news
   */
  #settleClashes(serverValue) {
    /** @type {Record<string, string>} */
    const mine = {};
    /** @type {Record<string, string | null>} */
    const theirs = {};
    const met = new Set();
    for (const operation of this.outbox.pending.filter((one) => one.kind === "reclassified")) {
      for (const [id, { from, to }] of Object.entries(operation.payload.cells)) {
        const now = serverValue(id);
        if (!met.has(id) && now !== undefined && from !== undefined && now !== from && now !== to) theirs[id] = now;
        met.add(id);
        if (!(id in theirs)) continue;
        mine[id] = to;
        delete operation.payload.cells[id];
      }
    }
    if (!Object.keys(mine).length) return;
    this.outbox.prune();
    for (const [id, person] of Object.entries(theirs)) Object.assign(this.cells.get(id) ?? {}, { person });
    this.#emit("conflict", { mine, theirs, who: [] });
  }

  /** @param {readonly string[]} ids @param {boolean} removed @param {string} reason */
  #setRemoved(ids, removed, reason) {
    if (!ids.length || this.signed) return;
    this.#remember({ person: {}, removed: Object.fromEntries(ids.map((id) => [id, !removed])) });
    const kind = removed ? "cell_removed" : "cell_restored";
    this.#do({ kind, payload: { cells: [...ids], ...(removed ? { reason } : {}) } });
  }

  /** @param {"undo" | "redo"} kind @param {Step[]} from @param {Step[]} to */
  #step(kind, from, to) {
    const step = from.pop() ?? null;
    if (step) to.push(this.#inverse(step));
    this.#do({ kind, payload: {}, step });
  }

  /** @param {Step} step @returns {Step} */
  #inverse(step) {
    return {
      person: Object.fromEntries(Object.keys(step.person).map((id) => [id, this.cells.get(id)?.person ?? null])),
      removed: Object.fromEntries(Object.keys(step.removed).map((id) => [id, this.cells.get(id)?.removed ?? false])),
    };
  }

  /** @param {Step} step */
  #remember(step) {
    this.#done.push(step);
    this.#undone = [];
  }

  /** @param {Operation} operation */
  #do(operation) {
    const ids = this.#apply(operation);
    this.fresh = operation.kind === "looked_at" ? this.fresh : false;
    this.#emit("cells", { ids });
    this.outbox.push(operation);
  }

  /** @param {Operation} operation @returns {string[]} the cells that it touches */
  #apply({ kind, payload, step }) {
    /** @type {string[]} */
    const ids = kind === "reclassified" ? Object.keys(payload.cells) : (payload.cells ?? []);
    for (const id of ids) {
      const cell = this.cells.get(id);
      if (!cell) continue;
      if (kind === "reclassified") cell.person = payload.cells[id].to;
      if (kind === "looked_at" || kind === "reclassified") cell.looked = true;
      if (kind === "cell_removed") cell.removed = true;
      if (kind === "cell_restored") cell.removed = false;
    }
    return step ? this.#applyStep(step) : ids;
  }

  /** @param {Step} step */
  #applyStep(step) {
    return [...this.#set("person", step.person), ...this.#set("removed", step.removed)];
  }

  /**
   * Sets a fact of some cells; returns those of which it was another one.
   * @param {"person" | "removed" | "looked"} fact @param {Record<string, any>} values
   */
  #set(fact, values) {
    return Object.entries(values).flatMap(([id, value]) => {
      const cell = this.cells.get(id);
      if (!cell || cell[fact] === value) return [];
      Object.assign(cell, { [fact]: value });
      return [id];
    });
  }

  /** @param {{operation: Operation, answer: Answer, again: boolean}} detail */
  #answered({ answer, again }) {
    if (again) void this.reload().catch(() => undefined);
    else this.#merge(answer);
  }

  /** @param {Answer} answer */
  #merge(answer) {
    const ids = this.#applyChanges(answer);
    const { version, status, undo, redo, may_sign, remarks, signatures } = answer;
    const known = { version, status, undo, redo, may_sign, remarks, signatures };
    Object.assign(this.slide, Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)));
    const { changed = {} } = answer;
    this.#settleClashes((id) => changed[id]);
    for (const operation of this.outbox.pending) this.#apply(operation);
    if (answer.differential && !this.outbox.waiting) {
      this.slide.differential = answer.differential;
      this.fresh = true;
    }
    if (ids.length) this.#emit("cells", { ids });
    this.#emit("slide");
  }

  /** @param {Answer} answer @returns {string[]} */
  #applyChanges(answer) {
    this.#admit(answer.cells ?? []);
    const step = { person: answer.changed ?? {}, removed: answer.removed ?? {} };
    const looked = Object.fromEntries([...(answer.looked ?? []).map((id) => [id, true]), ...(answer.not_looked ?? []).map((id) => [id, false])]);
    return [...this.#applyStep(step), ...this.#set("looked", looked), ...(answer.cells ?? []).map((cell) => cell.id)];
  }

  /** @param {readonly Cell[]} cells */
  #admit(cells) {
    for (const cell of cells) {
      this.cells.set(cell.id, cell);
      if (!this.place.has(cell.id)) this.place.set(cell.id, -1);
    }
    if (cells.length) this.#emit("cells", { ids: cells.map((cell) => cell.id) });
  }

  /** @param {{operation: Operation, error: unknown}} detail */
  async #refused({ operation, error }) {
    this.#done = [];
    this.#undone = [];
    await this.reload().catch(() => undefined);
    const clash = error instanceof Refused && error.status === 409;
    if (clash && operation.kind === "reclassified") this.#conflict(operation, error.body);
    else if (operation.kind !== "looked_at") this.#emit("refused", { operation, error });
  }

  /** Sends on what nobody else touched; the rest is for a person to settle.
   * @param {Operation} operation @param {Record<string, any>} body */
  #conflict(operation, { theirs = {}, who = [] }) {
    /** @type {[string, {from: string, to: string}][]} */
    const wanted = Object.entries(operation.payload.cells);
    const free = wanted.filter(([id]) => !(id in theirs));
    for (const type of new Set(free.map(([, one]) => one.to))) {
      this.reclassify(free.filter(([, one]) => one.to === type).map(([id]) => id), type);
    }
    const clashing = Object.fromEntries(wanted.filter(([id]) => id in theirs).map(([id, one]) => [id, one.to]));
    this.#emit("conflict", { mine: clashing, theirs, who });
  }

  async #poll() {
    if (this.outbox.pending.length && !this.outbox.problem) return;
    try {
      const news = await get(`${slidePath(this.slide.slide_id)}/events?after=${this.slide.version}`);
      this.outbox.reached();
      if (this.outbox.pending.length || (news.version ?? 0) <= this.slide.version) return;
      await this.#learn(news);
    } catch (error) {
      if (error instanceof Unreachable) this.outbox.lost();
    }
  }

  /** @param {import("./types.js").News} news */
  async #learn(news) {
    const others = [...new Set(news.events.filter((one) => one.kind !== "looked_at").map((one) => one.actor))];
    if (news.changed && news.differential) this.#merge(news);
    else await this.reload();
    if (others.length) this.#emit("news", { actors: others });
  }

  /** @param {string} name @param {any} [detail] */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** @param {Cell} cell the type that counts: a person's where there is one */
export const countedAs = (cell) => cell.person ?? cell.machine;

/** @param {Cell} cell where it is shown: with its type, or with the atypical until a person names it */
export const groupOf = (cell) => (cell.atypical && !cell.person ? ATYPICAL : countedAs(cell));
