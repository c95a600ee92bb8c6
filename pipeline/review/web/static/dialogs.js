// The dialogs of a slide: signing, re-opening, removing, conflicts, keys.

import { Refused } from "./api.js";
import { byId, buttonById, counted, dialogById, el, inputById, swatch, toast } from "./dom.js";
import { VIEWED_RULE } from "./viewing.js";
import { cropUrl } from "./pictures.js";

/** @typedef {import("./store.js").SlideStore} SlideStore */

for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog")?.close());
}

/**
 * Runs `action` when a form is sent; shows why it failed, closes the dialog when it did not.
 * @param {string} name @param {() => Promise<void>} action
 */
function onSubmit(name, action) {
  const error = byId(`${name}-error`);
  byId(`${name}-form`).addEventListener("submit", async (event) => {
    event.preventDefault();
    error.hidden = true;
    const button = /** @type {SubmitEvent} */ (event).submitter;
    if (button instanceof HTMLButtonElement) button.disabled = true;
    try {
      await action();
      dialogById(`${name}-dialog`).close();
    } catch (failure) {
      error.textContent = failure instanceof Refused ? capitalized(failure.message) : "The server does not answer; nothing was done.";
      error.hidden = false;
    } finally {
      if (button instanceof HTMLButtonElement) button.disabled = false;
    }
  });
}

/** @param {string} text */
const capitalized = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** @param {SlideStore} store */
export function signing(store) {
  onSubmit("sign", async () => {
    const body = { name: inputById("sign-name").value, reason: inputById("sign-reason").value, comment: inputById("sign-comment").value };
    const password = inputById("sign-password").value;
    inputById("sign-password").value = "";
    await store.sign(password ? { ...body, password } : body);
    toast("Signed.");
  });
  onSubmit("reopen", async () => {
    await store.reopen(inputById("reopen-reason").value);
    inputById("reopen-reason").value = "";
    toast("Re-opened.");
  });
  buttonById("sign-button").addEventListener("click", () => {
    if (store.signed) dialogById("reopen-dialog").showModal();
    else void openSigning(store);
  });
}

/** @param {SlideStore} store */
async function openSigning(store) {
  await Promise.race([store.outbox.empty(), new Promise((done) => setTimeout(done, 3000))]);
  const open = store.slide.may_sign;
  const { usersExist, user } = document.body.dataset;
  byId("sign-open").className = open.length ? "open-points" : "clear";
  byId("sign-open").replaceChildren(
    open.length ? el("strong", {}, "Still open") : `Every cell is named and was looked at.`,
    ...(open.length ? [el("ul", {}, ...open.map((text) => el("li", {}, text)))] : []),
  );
  byId("sign-reason-row").hidden = open.length === 0;
  inputById("sign-reason").required = open.length > 0;
  byId("sign-password-row").hidden = !usersExist;
  inputById("sign-password").required = Boolean(usersExist);
  inputById("sign-name").readOnly = Boolean(user);
  if (user) inputById("sign-name").value = user;
  if (!inputById("sign-comment").value) inputById("sign-comment").value = store.slide.comment;
  byId("sign-error").hidden = true;
  dialogById("sign-dialog").showModal();
}

/** Asks why cells are removed, then removes them. @param {SlideStore} store @param {() => string[]} ids @param {() => void} [then] */
export function removing(store, ids, then) {
  byId("remove-form").addEventListener("submit", () => {
    store.remove(ids(), inputById("remove-reason").value);
    then?.();
  });
  return () => {
    const chosen = ids();
    if (!chosen.length || store.signed) return;
    if (chosen.every((id) => store.cell(id).removed)) {
      store.restore(chosen);
      toast(`${counted(chosen.length, "cell")} back in the count.`);
      return;
    }
    byId("remove-what").textContent = `${counted(chosen.length, "cell")} will be left out of the count. ${chosen.length === 1 ? "It stays" : "They stay"} in the record and can be put back.`;
    dialogById("remove-dialog").showModal();
  };
}

/** @typedef {{mine: Record<string, string>, theirs: Record<string, string | null>, who: string[]}} Clash */

/** Shows both versions of the cells that two people changed. @param {SlideStore} store */
export function conflicts(store) {
  /** @type {Clash} */
  let clash = { mine: {}, theirs: {}, who: [] };
  const dialog = dialogById("conflict-dialog");
  store.addEventListener("conflict", (event) => {
    const news = /** @type {CustomEvent<Clash>} */ (event).detail;
    clash = { mine: { ...clash.mine, ...news.mine }, theirs: { ...clash.theirs, ...news.theirs }, who: news.who };
    byId("conflict-cells").replaceChildren(...Object.keys(clash.mine).map((id) => conflictRow(store, id, clash)));
    if (!dialog.open) dialog.showModal();
  });
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  for (const side of ["theirs", "mine"]) {
    buttonById(`conflict-${side}`).addEventListener("click", () => {
      for (const input of dialog.querySelectorAll("input")) input.checked = input.value === side;
    });
  }
  byId("conflict-form").addEventListener("submit", () => {
    const chosen = [...dialog.querySelectorAll("input:checked")].map((one) => /** @type {HTMLInputElement} */ (one));
    const mine = chosen.filter((one) => one.value === "mine").map((one) => one.dataset.id ?? "");
    for (const type of new Set(mine.map((id) => clash.mine[id]))) {
      if (type) store.reclassify(mine.filter((id) => clash.mine[id] === type && store.cells.has(id)), type);
    }
    clash = { mine: {}, theirs: {}, who: [] };
  });
}

/** @param {SlideStore} store @param {string} id @param {Clash} clash */
function conflictRow(store, id, { mine, theirs, who }) {
  const their = theirs[id] ?? store.cell(id).machine;
  const choice = (/** @type {string} */ value, /** @type {string} */ label, /** @type {string} */ type) =>
    el("label", { class: "check" }, el("input", { type: "radio", name: `conflict-${id}`, value, checked: value === "theirs", data: { id } }), `${label}: `, swatch(store.kind(type).color), el("strong", {}, store.kind(type).title));
  return el(
    "fieldset",
    { class: "conflict-cell" },
    el("legend", {}, `Cell ${id}, the machine said ${store.kind(store.cell(id).machine).title}`),
    el("img", { src: cropUrl(store, id, 96), alt: `cell ${id}` }),
    el("div", {}, choice("theirs", who.join(", ") || "The other", their), choice("mine", "You", mine[id] ?? "")),
  );
}

/** @param {SlideStore} store @param {[string, string][]} own keys of this page, and what they do */
export function keysHelp(store, own) {
  const classes = store.slide.classes.filter((one) => one.key).map((one) => /** @type {[string, string]} */ ([one.key.toUpperCase(), one.title]));
  byId("keys-text").replaceChildren(
    ...[...classes, ...own].map(([keys, text]) => el("p", {}, ...keys.split(" ").flatMap((key) => [el("kbd", {}, key), " "]), text)),
  );
  byId("looked-rule").textContent = VIEWED_RULE;
  const open = () => dialogById("keys-dialog").showModal();
  byId("keys-button").addEventListener("click", open);
  return open;
}

/** What a person wanted and the server did not take is said, not dropped. @param {SlideStore} store */
export function refusals(store) {
  store.addEventListener("refused", (event) => {
    const { operation, error } = /** @type {CustomEvent<{operation: import("./types.js").Operation, error: Error}>} */ (event).detail;
    const cells = Object.keys(operation.payload.cells ?? {}).length;
    const what = operation.kind === "undo" || operation.kind === "redo" ? operation.kind : cells ? `your change of ${counted(cells, "cell")}` : "your change";
    const banner = byId("banner");
    banner.className = "banner bad";
    banner.hidden = false;
    banner.replaceChildren(`Refused: ${what} (${error.message}). The page shows what stands in the record.`, el("button", { type: "button", class: "small", onclick: () => (banner.hidden = true) }, "Close"));
  });
  store.addEventListener("news", (event) => {
    const { actors } = /** @type {CustomEvent<{actors: string[]}>} */ (event).detail;
    toast(`Changed elsewhere, by ${actors.join(", ")}.`);
  });
}

