/**
 * Light, dark, or like the system: one choice for these pages and for the admin, whose theme stores
 * it under this key. A plain script in the head, so that the page is not drawn twice.
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
    // The class that Swagger UI uses.
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
