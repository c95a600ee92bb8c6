// A page that could not get what it shows says so.

import { Refused } from "./api.js";
import { byId, el } from "./dom.js";

/** @param {unknown} error */
export function connectionFailed(error) {
  const banner = byId("banner");
  banner.className = "banner bad";
  banner.hidden = false;
  const why = error instanceof Refused ? error.message : "the server does not answer";
  banner.replaceChildren(`This page could not be filled: ${why}.`, el("button", { type: "button", class: "small", onclick: () => location.reload() }, "Try again"));
}
