// Photos in the admin: dropped or chosen, they are sent at once. Without this, the form's button
// sends what was chosen.

for (const form of document.querySelectorAll("form.fr-drop")) {
  const input = form.querySelector("input[type=file]");
  const state = form.querySelector(".fr-drop-state");
  const most = Number(form.dataset.mostPhotos);
  const mostBytes = Number(form.dataset.mostMb) * 2 ** 20;

  function say(text, isWrong = false) {
    state.textContent = text;
    state.hidden = false;
    form.classList.toggle("fr-drop-wrong", isWrong);
  }

  function send() {
    const files = [...input.files];
    if (!files.length) return;
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    if (files.length > most || bytes > mostBytes) {
      say(`That is too much for one go: at most ${most} photos and ${form.dataset.mostMb} MB.`, true);
      input.value = "";
      return;
    }
    say(files.length === 1 ? "Looking at the photo…" : `Looking at ${files.length} photos…`);
    form.classList.add("fr-drop-busy");
    form.submit();
  }

  form.classList.add("fr-drop-live");
  input.addEventListener("change", send);
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("fr-drop-over");
  });
  for (const name of ["dragleave", "drop"]) {
    form.addEventListener(name, () => form.classList.remove("fr-drop-over"));
  }
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    input.files = event.dataTransfer.files;
    send();
  });
}

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!window.confirm(form.dataset.confirm)) event.preventDefault();
  });
}

// Back from the next page, a form must not look busy.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll(".fr-drop-busy")) {
    form.classList.remove("fr-drop-busy");
    form.querySelector("input[type=file]").value = "";
    form.querySelector(".fr-drop-state").hidden = true;
  }
});
