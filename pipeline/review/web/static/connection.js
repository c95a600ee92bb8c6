// The line at the top of a slide's page: whether the server hears us, and what waits for it.

import { byId, counted, el } from "./dom.js";

/** @param {import("./store.js").SlideStore} store */
export function showConnection(store) {
  const banner = byId("banner");
  let wasLost = false;
  let waited = 0;
  const show = () => {
    const { problem, waiting } = store.outbox;
    banner.className = `banner ${problem ? "bad" : "good"}`;
    if (problem) {
      wasLost = true;
      waited = Math.max(waited, waiting);
      const kept = waiting ? `${counted(waiting, "change")} ${waiting === 1 ? "waits" : "wait"} here and will be sent.` : "Your work is kept here and sent when it is back.";
      banner.replaceChildren(...(problem === "unreachable" ? [`The server does not answer. ${kept}`] : [`The server does not know this page any more. ${kept} `, loginHint()]));
      banner.hidden = false;
    } else if (wasLost && !waiting) {
      banner.replaceChildren(waited ? `The server is back; ${counted(waited, "change")} sent.` : "The server is back.");
      banner.hidden = false;
      wasLost = false;
      waited = 0;
      setTimeout(() => (banner.hidden = !store.outbox.problem), 4000);
    }
  };
  store.addEventListener("connection", show);
  addEventListener("beforeunload", (event) => {
    if (store.outbox.waiting && store.outbox.problem) event.preventDefault();
  });
  show();
}

function loginHint() {
  if (document.body.dataset.usersExist) return el("a", { href: "/login", target: "_blank" }, "Log in again in another tab.");
  return "Open the address that leukodiff review printed in another tab.";
}
