// Who may log in, and what happened that belongs to no slide.

import { get, post } from "./api.js";
import { byId, dialogById, el, inputById, toast, when } from "./dom.js";
import { connectionFailed, whyNot } from "./failed.js";

/**
 * @typedef {{name: string, role: string, active: boolean}} User
 * @typedef {{users: User[], roles: string[], you: string}} Everybody
 * @typedef {{number: number, at: string, actor: string, kind: string, payload: Record<string, any>}} Entry
 */

/** @type {Record<string, (payload: Record<string, any>) => string>} */
const WORDS = {
  user_added: (payload) => `added ${payload.user} as ${payload.role}`,
  user_changed: (payload) => `${CHANGES[payload.what] ?? payload.what}: ${payload.user}`,
  logged_in: () => "logged in",
  logged_out: () => "logged out",
  login_failed: (payload) => `a login failed${payload.user ? ` as ${payload.user}` : ""}`,
  refused: (payload) => `refused (${payload.what}): ${payload.why}`,
  reference_added: (payload) => `reference cell of ${String(payload.type).replaceAll("_", " ")} added, from ${payload.slide}`,
  reference_removed: (payload) => `reference cell of ${String(payload.type).replaceAll("_", " ")} taken away`,
};
/** @type {Record<string, string>} */
const CHANGES = { removed: "may not log in any more", restored: "may log in again", password: "got another password" };
const FAILED = ["login_failed", "refused"];

/** @param {Everybody} everybody */
function draw({ users, roles, you }) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.at;
  byId("n-people").textContent = String(users.length);
  byId("people").querySelector("tbody")?.replaceChildren(...users.map((one) => row(one, roles, you)));
  if (!byId("add-role").children.length) byId("add-role").append(...roles.map((role) => el("option", {}, role)));
  if (focused) [...document.querySelectorAll("[data-at]")].map((one) => /** @type {HTMLElement} */ (one)).find((one) => one.dataset.at === focused)?.focus();
}

/** @param {User} user @param {string[]} roles @param {string} you */
function row(user, roles, you) {
  const { name, active } = user;
  const choice = el("select", { "aria-label": `Role of ${name}`, disabled: !active, data: { at: `role ${name}` } }, ...roles.map((role) => el("option", { selected: role === user.role }, role)));
  choice.addEventListener("change", () => change("/api/users/role", { name, role: choice.value }, `${name}: ${choice.value}`));
  const button = (/** @type {string} */ word, /** @type {() => void} */ action) =>
    el("button", { type: "button", class: "small", "aria-label": `${word}: ${name}`, data: { at: `${word === "Enable" ? "Disable" : word} ${name}` }, onclick: action }, word);
  const turned = active ? "disable" : "enable";
  return el(
    "tr",
    { class: active ? "" : "off" },
    el("th", { scope: "row" }, name, name === you ? el("span", { class: "muted" }, " (you)") : null),
    el("td", {}, choice),
    el("td", {}, active ? "may log in" : "disabled"),
    el("td", {}, button("New password…", () => openReset(name)), button(active ? "Disable" : "Enable", () => change(`/api/users/${turned}`, { name }, `${name}: ${turned}d`))),
  );
}

/** @param {string} path @param {Record<string, string>} body @param {string} done */
function change(path, body, done) {
  return attempt("people-error", async () => {
    draw(await post(path, body));
    toast(done);
  }).then(refresh);
}

/** Does it, and shows next to it why not. @param {string} place @param {() => Promise<void>} action @returns {Promise<boolean>} */
async function attempt(place, action) {
  byId(place).hidden = true;
  try {
    await action();
    return true;
  } catch (error) {
    byId(place).textContent = whyNot(error);
    byId(place).hidden = false;
    return false;
  }
}

let resetting = "";

/** @param {string} name */
function openReset(name) {
  resetting = name;
  inputById("reset-password").value = "";
  byId("reset-error").hidden = true;
  byId("reset-what").textContent = `${name} is logged out everywhere and logs in with it. Tell it to nobody else.`;
  dialogById("reset-dialog").showModal();
}

byId("reset-dialog").querySelector("[data-close]")?.addEventListener("click", () => dialogById("reset-dialog").close());
byId("reset-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const password = inputById("reset-password").value;
  void attempt("reset-error", async () => {
    draw(await post("/api/users/password", { name: resetting, password }));
    dialogById("reset-dialog").close();
    toast(`${resetting} has another password.`);
  }).then(refresh);
});
byId("add-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const [name, role, password] = ["add-name", "add-role", "add-password"].map((id) => inputById(id).value);
  void attempt("add-error", async () => {
    draw(await post("/api/users", { name, role, password }));
    inputById("add-name").value = inputById("add-password").value = "";
    inputById("add-name").focus();
    toast(`${name} may log in.`);
  }).then(refresh);
});

/** @param {Entry} entry */
function logRow({ at, actor, kind, payload }) {
  const words = WORDS[kind]?.(payload) ?? kind.replaceAll("_", " ");
  return el("tr", { class: FAILED.includes(kind) ? "failed" : "" }, el("td", {}, when(at)), el("td", {}, actor === "?" ? "somebody" : actor), el("td", {}, words));
}

async function refresh() {
  try {
    const [everybody, log] = await Promise.all([get("/api/users"), get("/api/log?n=200")]);
    draw(everybody);
    byId("log").querySelector("tbody")?.replaceChildren(...log.events.map(logRow));
    byId("head").textContent = log.head;
  } catch (error) {
    connectionFailed(error);
  }
}

await refresh();
document.documentElement.dataset.ready = "yes";
