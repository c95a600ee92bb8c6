// A page that could not get what it shows says so.

import { Refused, Unreachable } from "./api.js";
import { byId, el } from "./dom.js";

/** @param {unknown} error */
export function connectionFailed(error) {
  const banner = byId("banner");
  banner.className = "banner bad";
  banner.hidden = false;
  const why = error instanceof Refused ? error.message : "the server does not answer";
  banner.replaceChildren(`This page could not be filled: ${why}.`, el("button", { type: "button", class: "small", onclick: () => location.reload() }, "Try again"));
}

/** A sentence for a person: why something was not done. @param {unknown} error */
export function whyNot(error) {
  if (error instanceof Unreachable) return "The server does not answer; nothing was done.";
  const text = error instanceof Error ? error.message : String(error);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}
