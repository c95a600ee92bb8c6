// Changes on their way to the server: kept until it has answered, over a reload too.

import { Refused, Unreachable, get, post, slidePath } from "./api.js";

/** @typedef {import("./types.js").Operation} Operation */
/** @typedef {import("./types.js").Answer} Answer */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
const LOGGED_OUT = [401, 403];

/**
 * Sends one change after the other. Fires `answer` {operation, answer}, `refused` {operation, error}
 * and `state`; `waiting` is how many there are, `problem` why they don't get through.
 */
export class Outbox extends EventTarget {
  /** @type {Operation[]} */
  #queue = [];
  #sending = false;
  #wait = FIRST_WAIT_MS;
  /** @type {"" | "unreachable" | "logged out"} */
  problem = "";

  /** @param {string} slide @param {() => number} version */
  constructor(slide, version) {
    super();
    this.slide = slide;
    this.version = version;
    this.key = `leukodiff-outbox:${slide}`;
    this.#queue = stored(this.key).map((one) => ({ ...one, unsure: true }));
  }

  get pending() {
    return /** @type {readonly Operation[]} */ (this.#queue);
  }

  /** How many changes a person made that the server has not confirmed. */
  get waiting() {
    return this.#queue.filter((one) => one.kind !== "looked_at").length;
  }

  /** @param {Operation} operation */
  push(operation) {
    if (!this.#merged(operation)) this.#queue.push(operation);
    this.#keep();
    void this.send();
  }

  /** Takes out what has no cell left. */
  prune() {
    this.#queue = this.#queue.filter((one) => one.kind !== "reclassified" || Object.keys(one.payload.cells).length);
    this.#keep();
  }

  async send() {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#queue[0]) {
      const head = this.#queue[0];
      if (!(await this.#sent(head))) await pause(this.#wait);
    }
    this.#sending = false;
    this.#emit("state");
  }

  /** @returns {Promise<void>} when everything has been answered */
  async empty() {
    while (this.#queue.length || this.#sending) await pause(20);
  }

  /** The server has answered in another way. */
  reached() {
    if (this.problem) this.#setProblem("");
  }

  lost() {
    this.#setProblem("unreachable");
  }

  /** @param {Operation} operation whether it was settled, one way or the other */
  async #sent(operation) {
    try {
      const known = operation.unsure && (await this.#arrived(operation));
      const answer = known ? {} : await this.#post(operation);
      this.#settle(operation);
      this.#emit("answer", { operation, answer, again: known });
      return true;
    } catch (error) {
      return this.#failed(operation, error);
    }
  }

  /** @param {Operation} operation @returns {Promise<Answer>} */
  #post(operation) {
    const { kind, payload } = operation;
    operation.since = this.version();
    this.#keep();
    const path = slidePath(this.slide);
    if (kind === "undo" || kind === "redo") return post(`${path}/${kind}`, { version: this.version() });
    return post(`${path}/events`, { kind, payload, version: this.version() });
  }

  /**
   * Whether a change that was sent without an answer is in the record after all.
   * @param {Operation} operation
   */
  async #arrived(operation) {
    const since = operation.since ?? this.version();
    const news = await get(`${slidePath(this.slide)}/events?after=${since}`);
    /** @type {import("./types.js").RecordEvent[]} */
    const events = news.events ?? [];
    return events.some((event) => isSame(event, operation));
  }

  /** @param {Operation} operation @param {unknown} error */
  #failed(operation, error) {
    if (error instanceof Unreachable) {
      operation.unsure = true;
      this.#keep();
      this.#setProblem("unreachable");
    } else if (error instanceof Refused && LOGGED_OUT.includes(error.status)) {
      this.#setProblem("logged out");
    } else {
      this.#settle(operation);
      this.#emit("refused", { operation, error });
      return true;
    }
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
    return false;
  }

  /** @param {Operation} operation */
  #settle(operation) {
    this.#queue = this.#queue.filter((one) => one !== operation);
    this.#wait = FIRST_WAIT_MS;
    this.#keep();
    this.#setProblem("");
  }

  /** Cells that were looked at are sent together. @param {Operation} operation */
  #merged(operation) {
    const last = this.#queue.at(-1);
    const free = last && this.#queue.length > (this.#sending ? 1 : 0);
    if (!free || last.kind !== "looked_at" || operation.kind !== "looked_at" || last.unsure) return false;
    last.payload.cells = [...new Set([...last.payload.cells, ...operation.payload.cells])];
    return true;
  }

  #keep() {
    if (this.#queue.length) localStorage.setItem(this.key, JSON.stringify(this.#queue));
    else localStorage.removeItem(this.key);
    this.#emit("state");
  }

  /** @param {"" | "unreachable" | "logged out"} problem */
  #setProblem(problem) {
    if (this.problem === problem) return;
    this.problem = problem;
    this.#emit("state");
  }

  /** @param {string} name @param {any} [detail] */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** @param {number} ms */
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** @param {string} key @returns {Operation[]} */
function stored(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "[]");
  } catch {
    return [];
  }
}

/** @param {import("./types.js").RecordEvent} event @param {Operation} operation */
function isSame(event, operation) {
  const { kind, payload } = operation;
  if (kind === "undo") return Boolean(event.payload.undo_of);
  if (kind === "redo") return Boolean(event.payload.redo_of);
  if (event.kind !== kind) return false;
  if (kind === "commented") return event.payload.text === payload.text;
  const wanted = names(payload.cells);
  const done = names(event.payload.cells);
  if (wanted.length !== done.length || wanted.some((id, i) => id !== done[i])) return false;
  return kind !== "reclassified" || wanted.every((id) => event.payload.cells[id]?.to === payload.cells[id]?.to);
}

/** @param {Record<string, unknown> | string[] | undefined} cells */
const names = (cells) => (Array.isArray(cells) ? [...cells] : Object.keys(cells ?? {})).sort();
