// The theme, set before anything is drawn: the system's, or what was chosen on this computer.
// A classic script, so that it runs while the head is read.

(() => {
  const CHOICES = ["system", "light", "dark"];
  const KEY = "leukodiff-theme";

  function chosen() {
    const stored = localStorage.getItem(KEY) ?? "system";
    return CHOICES.includes(stored) ? stored : "system";
  }

  /** @param {string} theme */
  function apply(theme) {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const word = document.querySelector("#theme .theme-word");
    if (word) word.textContent = `Theme: ${theme}`;
  }

  apply(chosen());
  addEventListener("DOMContentLoaded", () => {
    apply(chosen());
    document.getElementById("theme")?.addEventListener("click", () => {
      const next = CHOICES[(CHOICES.indexOf(chosen()) + 1) % CHOICES.length] ?? "system";
      localStorage.setItem(KEY, next);
      apply(next);
    });
  });
  addEventListener("storage", (event) => event.key === KEY && apply(chosen()));
})();
