  // What is shown: the wanted samples are found, and then drawn.

  function wanted() {
    const given = new URLSearchParams(location.hash.slice(1)), told = { ...START };
    for (const key of Object.keys(START)) if (given.has(key)) told[key] = given.get(key);
    if (!TARGETS.includes(told.target)) told.target = START.target;
    if (!TARGETS.includes(told.other) || told.other === told.target) told.other = "";
    if (![...find("sort").options].some((option) => option.value === told.sort)) told.sort = START.sort;
    for (const end of ["from", "to", "row", "both"]) if (Number.isNaN(Number(told[end]))) told[end] = "";
    if (!DATA.window || told.window !== "1") told.window = "";
    told.page = Math.max(1, parseInt(told.page, 10) || 1);
    return sound(told);
  }

  // Without another target there is nothing to be at the top of both of.
  function sound(told) {
    if (told.other === told.target) told.other = "";
    if (told.other === "" && told.sort.startsWith("apart")) told.sort = START.sort;
    if (told.other === "") told.both = "";
    return told;
  }

  async function change(changes) {
    // What was typed a moment before counts, too.
    const unset = waiting ? typed() : {};
    clearTimeout(waiting);
    waiting = 0;
    goal = sound({ ...goal, page: 1, ...unset, ...changes });
    const kept = new URLSearchParams();
    for (const key of Object.keys(START)) if (goal[key] !== START[key]) kept.set(key, goal[key]);
    try { history.replaceState(null, "", "#" + kept); } catch { /* it works without */ }
    await draw();
  }

  async function draw() {
    const mine = goal;
    try {
      await Promise.all([...COLUMNS, ...[mine.target, mine.other].filter(Boolean).map(influenceName)].map(column));
      if (mine !== goal) return;
      state = mine;
      find("problem").hidden = true;
      const words = state.search.toLowerCase();
      if (words !== search.words) {
        search = NO_SEARCH;
        if (words !== "") return await seek(words);
      }
      await show();
    } catch (error) { if (mine === goal) tell(error); }
  }

  function chosen() {
    const influence = columns[influenceName(state.target)], { label, row, step } = columns;
    const from = state.from === "" ? -Infinity : Number(state.from), to = state.to === "" ? Infinity : Number(state.to);
    const coded = state.label === "" ? -1 : columns.labels.indexOf(state.label.slice(1)), row_ = state.row === "" ? -1 : Number(state.row);
    const here = state.both ? ranksOf(state.target) : null, there = state.both ? ranksOf(state.other) : null;
    const last = state.both ? topOf(Number(state.both)) : 0, hits = search.words === "" ? null : search.hits;
    const [start, stop] = state.window ? DATA.window : [0, Infinity];
    const order = orderOf(state.sort), kept = new Uint32Array(COUNT);
    let count = 0;
    for (let place = 0; place < COUNT; place += 1) {
      const at = order[place], value = influence[at];
      if (value < from || value > to || (state.label !== "" && label[at] !== coded) || (row_ >= 0 && row[at] !== row_)
        || (here && (here[at] > last || there[at] > last)) || (hits && !hits[at]) || step[at] < start || step[at] >= stop) continue;
      kept[count++] = at;
    }
    return kept.slice(0, count);
  }

  function topOf(share) {
    return Math.max(1, Math.round(COUNT * share / 100));
  }

  function show() {
    found = chosen();
    controls();
    histogram();
    comparison();
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    state.page = Math.min(state.page, pages);
    const first = (state.page - 1) * PAGE, part = found.subarray(first, first + PAGE);
    const busy = search.words !== "" && search.done < FILES ? `; searched ${Math.floor(100 * search.done / FILES)} %` : "";
    find("status").textContent = (found.length === 0 ? "No samples" : `${told(first + 1)}\u2013${told(first + part.length)} of `
      + `${told(found.length)} sample${found.length === 1 ? "" : "s"}`) + busy;
    find("page").textContent = `page ${told(state.page)} of ${told(pages)}`;
    for (const id of ["previous", "previous-below"]) find(id).disabled = state.page <= 1;
    for (const id of ["next", "next-below"]) find(id).disabled = state.page >= pages;
    find("save").disabled = found.length === 0;
    return cards([...part]);
  }

  const told = (count) => count.toLocaleString("en");

  let counts = null;
  function controls() {
    if (!counts) {
      const each = new Uint32Array(columns.labels.length);
      for (let at = 0; at < COUNT; at += 1) each[columns.label[at]] += 1;
      counts = new Map([...each.entries()].filter(([, count]) => count));
    }
    const labels = [...counts].sort((one, other) => other[1] - one[1] || one[0] - other[0]).slice(0, LABELS)
      .map(([code, count]) => [columns.labels[code], count]);
    const mine = goal.label.slice(1);
    if (goal.label !== "" && !labels.some(([label]) => label === mine)) labels.push([mine, counts.get(columns.labels.indexOf(mine)) || 0]);
    const every = counts.size > LABELS ? `all; the ${LABELS} most frequent of ${told(counts.size)}:` : `all (${told(COUNT)})`;
    // A label may be any text, so those of the list begin with a sign that "all" has not.
    fill(find("label"), [["", every], ...labels.map(([label, count]) => ["=" + label, `${visible(label)} (${told(count)})`])], goal.label);
    const named = (target) => [target, DATA.several ? target : `${target} (${DATA.units[target].join(", ")})`];
    fill(find("target"), TARGETS.map(named), goal.target);
    // The same target at other checkpoints first.
    const apart = (target) => DATA.targets[target] !== DATA.targets[goal.target];
    const others = TARGETS.filter((target) => target !== goal.target).sort((one, other) => apart(one) - apart(other));
    fill(find("other"), [["", others.length ? "nothing" : "there is one target only"], ...others.map(named)], goal.other);
    find("other").disabled = !others.length;
    fill(find("both"), [["", goal.other ? "any place" : "with another target"], ...SHARES.map((share) => [String(share), `the highest ${share} % of each`])], goal.both);
    find("both").disabled = goal.other === "";
    for (const option of find("sort").options) if (option.value.startsWith("apart")) option.hidden = option.disabled = goal.other === "";
    find("sort").value = goal.sort;
    // What is being typed stays.
    if (!waiting) for (const id of TYPED) if (find(id).value !== goal[id]) find(id).value = goal[id];
    if (DATA.window) find("window").checked = goal.window === "1";
    find("name").textContent = state.target;
    find("units").textContent = `${state.target} (${(DATA.units[state.target] || []).join(", ")})`;
    const backwards = goal.from !== "" && goal.to !== "" && Number(goal.from) > Number(goal.to);
    for (const id of ["from", "to"]) find(id).setAttribute("aria-invalid", String(backwards));
  }
