/**
 * Light, dark, or as the system has it: one choice for these pages and the admin, whose theme
 * keeps it under this key. A plain script in the head, so that the page is not drawn twice.
 */
{
  const KEY = "adminTheme";

  /** "light", "dark" or "auto" */
  const chosen = () => {
    try {
      return JSON.parse(localStorage.getItem(KEY) ?? '"auto"');
    } catch {
      return "auto";
    }
  };

  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const show = () => {
    const theme = chosen();
    root.classList.remove("light", "dark");
    if (theme !== "auto") root.classList.add(theme);
    // As Swagger UI names it.
    root.classList.toggle("dark-mode", theme === "dark" || (theme === "auto" && system.matches));
    /** @type {NodeListOf<HTMLInputElement>} */
    const inputs = document.querySelectorAll("input[name=theme]");
    for (const input of inputs) input.checked = input.value === theme;
  };

  show();
  addEventListener("DOMContentLoaded", show);
  addEventListener("storage", show); // chosen in another tab
  system.addEventListener("change", show);
  addEventListener("change", ({ target }) => {
    if (!(target instanceof HTMLInputElement) || target.name !== "theme") return;
    localStorage.setItem(KEY, JSON.stringify(target.value));
    show();
  });
}
