  // Begin: what the controls do, and the first view.

  let waiting = 0;
  const TYPED = ["search", "from", "to", "row"];
  const typed = () => Object.fromEntries(TYPED.map((id) => [id, find(id).value]));
  const COLUMNS = ["step", "row", "loss", "label", "tokens", "labels"];
  for (const id of TYPED) {
    find(id).addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => change(typed()), 250);
    });
  }
  for (const id of ["target", "other", "label", "sort", "both"]) find(id).addEventListener("change", (event) => change({ [id]: event.target.value }));
  if (DATA.window) find("window").addEventListener("change", (event) => change({ window: event.target.checked ? "1" : "" }));
  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  for (const [id, by] of [["previous", -1], ["next", 1], ["previous-below", -1], ["next-below", 1]]) {
    find(id).addEventListener("click", () => {
      change({ page: state.page + by });
      find("status").scrollIntoView({ block: "nearest" });
    });
  }
  find("save").addEventListener("click", save);
  window.addEventListener("hashchange", () => { goal = wanted(); draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (found.length) comparison(); });
  walk(() => [...document.querySelectorAll("article")], async (by) => {
    const last = Math.ceil(found.length / PAGE);
    if (state.page + by < 1 || state.page + by > last) return false;
    await change({ page: state.page + by });
    return true;
  });
  brush();
  goal = wanted();
  draw();
