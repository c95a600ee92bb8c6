// Another password for whoever is logged in.

import { post } from "./api.js";
import { byId, inputById } from "./dom.js";
import { whyNot } from "./failed.js";

byId("password-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [old, new_, again] = ["old-password", "new-password", "new-again"].map((id) => inputById(id).value);
  const error = byId("password-error");
  error.hidden = true;
  try {
    if (new_ !== again) throw new Error("The new one was written in two ways.");
    location.href = (await post("/api/password", { old, new: new_ })).login;
  } catch (failure) {
    error.textContent = whyNot(failure);
    error.hidden = false;
  }
});
document.documentElement.dataset.ready = "yes";
