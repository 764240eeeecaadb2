  // The list of samples: their cards, its pages, and the table that is saved.

  let asked = 0;
  async function cards(part) {
    const mine = ++asked;
    if (part.length === 0) {
      find("list").replaceChildren(nothing());
      return;
    }
    try {
      const shown = await Promise.all(part.map(async (at) => {
        const number = Math.floor(at / DATA.a_file), samples = await readTexts(number);
        keep(number, samples);
        return [at, samples[at % DATA.a_file]];
      }));
      if (mine === asked) find("list").replaceChildren(...shown.map(([at, sample]) => card(at, sample)));
    } catch (error) { tell(error); }
  }

  function nothing() {
    const set = [];
    if (state.label !== "") set.push(`the label ${visible(state.label.slice(1))}`);
    if (state.search !== "") set.push(`the words \u201c${visible(state.search)}\u201d${where()}`);
    if (state.from !== "") set.push(`an influence of ${state.from} or more`);
    if (state.to !== "") set.push(`an influence of ${state.to} or less`);
    if (state.row !== "") set.push(`the row ${state.row}`);
    if (state.both !== "") set.push(`a place at the top of both targets`);
    if (state.window !== "") set.push(`a step of the window`);
    const item = make("li", "none", search.words !== "" && search.done < FILES ? "Searching \u2026 " : `No sample has ${set.join(" and ") || "a score"}. `);
    const button = make("button", "", "Show all");
    button.type = "button";
    button.addEventListener("click", () => change(FILTERS));
    item.append(button);
    return item;
  }

  // Of longer texts a search says nothing.
  function where() {
    return DATA.cut ? ` in the first ${told(DATA.characters)} characters of its text` : "";
  }

  function percentile(rank) {
    return percentileOf(rank, COUNT);
  }

  // Whether interventions may take it.
  function windowOf(step) {
    const [start, stop] = DATA.window;
    return step < start ? "before it" : step >= stop ? "after it" : "yes";
  }

  function factsOf(at) {
    const rank = ranksOf(state.target)[at], { loss, tokens, step, row } = columns;
    const placed = (place) => `${told(place)} of ${told(COUNT)}, above ${percentile(place)} %`;
    const list = [["influence", number(columns[influenceName(state.target)][at], true)], ["place", placed(rank)]];
    if (state.other) {
      const other = columns[influenceName(state.other)][at];
      list.push([`influence on ${state.other}`, number(other, true)], [`place on ${state.other}`, placed(ranksOf(state.other)[at])]);
    }
    const when = !DATA.by_token.includes(state.target) ? ` at ${DATA.checkpoint}` : "";
    list.push([`loss${when}`, number(loss[at]) + " nats"], [`loss a token${when}`, number(loss[at] / Math.max(1, tokens[at])) + " nats"]);
    if (DATA.trained) list.push(["step", step[at]]);
    if (DATA.window) list.push(["in the window", windowOf(step[at])]);
    return [...list, ["row", row[at]]];
  }

  function card(at, [text, cut, ...sources]) {
    const rank = ranksOf(state.target)[at], value = columns[influenceName(state.target)][at];
    const item = make("li"), box = make("article", value > 0 ? "up" : value < 0 ? "down" : ""), head = make("div", "head");
    box.tabIndex = -1;
    head.append(make("h2", "", `Place ${told(rank)}`), make("span", "chip", visible(columns.labels[columns.label[at]])));
    const list = make("dl");
    const given = sources.flatMap((source, place) => (source === null ? [] : [[visible(DATA.sources[place]), visible(source)]]));
    for (const [name, words] of [...factsOf(at), ...given]) {
      const pair = make("div");
      pair.append(make("dt", "", name), make("dd", "", words));
      list.append(pair);
    }
    head.append(list);
    const shown = make("div", "text"), foot = make("div", "foot");
    shown.dir = "auto";
    shown.append(...marked(text));
    if (cut) foot.append(make("p", "", `The first ${told(DATA.characters)} characters.`));
    if (text.length > 600 || text.split("\n").length > 6) foot.append(folder(shown));
    foot.append(...links(at, rank));
    box.append(head, shown, foot);
    item.append(box);
    return item;
  }

  function folder(shown) {
    const button = make("button", "", "Show more");
    button.type = "button";
    shown.classList.add("folded");
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      const folded = shown.classList.toggle("folded");
      button.textContent = folded ? "Show more" : "Show less";
      button.setAttribute("aria-expanded", String(!folded));
    });
    return button;
  }

  function links(at, rank) {
    const only = make("button", "", "Link to it"), side = rank <= DATA.ends ? "top" : rank > COUNT - DATA.ends ? "bottom" : "";
    only.type = "button";
    only.addEventListener("click", () => change({ ...FILTERS, row: String(columns.row[at]) }));
    if (side === "" || !DATA.by_token.includes(state.target)) return state.row === "" ? [only] : [];
    const tokens = make("a", "", "token by token");
    tokens.href = "../index.html#" + new URLSearchParams({ target: DATA.targets[state.target], side, row: String(columns.row[at]) });
    return state.row === "" ? [only, tokens] : [tokens];
  }

  function marked(text) {
    const words = state.search.toLowerCase(), parts = [], lower = text.toLowerCase();
    // Some capitals have more signs when they are small; then places do not fit, and nothing is marked.
    if (words === "" || lower.length !== text.length) return [visible(text)];
    let begin = 0;
    for (let at = lower.indexOf(words); at >= 0; at = lower.indexOf(words, begin)) {
      parts.push(visible(text.slice(begin, at)), make("mark", "", visible(text.slice(at, at + words.length))));
      begin = at + words.length;
    }
    return [...parts, visible(text.slice(begin))];
  }

  // The digits that a float32 has.
  const exact = (value) => Number(value.toPrecision(9));

  function* linesOf(kept) {
    const { target, other } = state, here = ranksOf(target), there = other ? ranksOf(other) : null;
    const influence = columns[influenceName(target)], rows = new Set(), { row, step, label, labels, loss, tokens } = columns;
    for (const at of kept) {
      if (rows.has(row[at])) continue;
      rows.add(row[at]);
      yield [target, here[at], Number(percentile(here[at])), row[at], step[at], labels[label[at]], exact(influence[at]), exact(loss[at]),
        exact(loss[at] / Math.max(1, tokens[at])), ...(there ? [exact(columns[influenceName(other)][at]), there[at]] : [])];
    }
  }

  async function save() {
    const names = ["target", "place", "percentile", "row", "step", "label", "influence", "loss", "loss_per_token"];
    const more = state.other ? [`influence on ${state.other}`, `place on ${state.other}`] : [];
    find("save").disabled = true;
    find("save").textContent = "Saving \u2026";
    try {
      await saveCsv(`samples-${state.target.replace(/[^\w-]/g, "-")}.csv`, [...names, ...more], linesOf(found));
    } catch (error) {
      tell(error, "The table could not be saved");
    } finally {
      find("save").disabled = found.length === 0;
      find("save").textContent = "Save these as CSV";
    }
  }
