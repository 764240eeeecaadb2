  const DATA = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 20, BINS = 160, CELLS = 120, COUNT = DATA.count;
  // Of so many labels, the most frequent, a list can be read.
  const LABELS = 200;
  // Files of texts that are kept, for turning back, and that a search reads at once.
  const KEPT = 64, AT_ONCE = 6;
  const SHARES = [1, 5, 10, 20];
  const TARGETS = Object.keys(DATA.units);
  const START = { target: TARGETS[0] || "", other: "", label: "", sort: "influence-down", from: "", to: "", row: "", search: "", both: "", window: "", page: 1 };
  const FILTERS = { label: "", from: "", to: "", row: "", search: "", both: "", window: "" };
  const find = (id) => document.getElementById(id);
  // What is asked for, and what is shown: that follows when its columns are there.
  let goal = { ...START }, state = goal, found = new Uint32Array(0);

  // An error whose message is for the reader.
  class Told extends Error {}

  // --- Data: scripts beside the page hand it columns and texts. ---

  const columns = {}, packed = new Map(), opening = new Map(), texts = new Map(), reading = new Map();
  const ranks = new Map(), orders = new Map();

  const KINDS = { label: Uint32Array, row: Uint32Array, step: Uint32Array, tokens: Uint32Array };

  function bytesOf(coded) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(coded);
    const signs = atob(coded), bytes = new Uint8Array(signs.length);
    for (let place = 0; place < signs.length; place += 1) bytes[place] = signs.charCodeAt(place);
    return bytes;
  }

  window.SAMPLES = (kind, key, data) => {
    if (kind === "texts") packed.set(key, data);
    else columns[key] = typeof data === "string" ? new (KINDS[key] || Float32Array)(bytesOf(data).buffer) : data;
  };

  function run(file) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = file;
      script.onload = () => { script.remove(); resolve(); };
      script.onerror = () => {
        script.remove();
        reject(new Told(`The file ${file} is missing beside this page; keep its folder as a whole, or make it again.`));
      };
      document.head.append(script);
    });
  }

  function column(name) {
    if (!reading.has(name)) reading.set(name, run(name === "labels" ? "labels.js" : `column-${name}.js`));
    return reading.get(name);
  }

  const influenceName = (target) => `influence-${TARGETS.indexOf(target)}`;

  async function open(number) {
    if (!window.DecompressionStream) throw new Told("This browser is too old to unpack the texts; open the page in one of 2024 or later.");
    await run(`texts-${String(number).padStart(6, "0")}.js`);
    const stream = new Blob([bytesOf(packed.get(number))]).stream().pipeThrough(new DecompressionStream("deflate"));
    packed.delete(number);
    return JSON.parse(await new Response(stream).text());
  }

  // The samples of a file: text, whether it is cut, and what is known of its document.
  function readTexts(number) {
    if (texts.has(number)) return texts.get(number);
    if (!opening.has(number)) opening.set(number, open(number).finally(() => opening.delete(number)));
    return opening.get(number);
  }

  function keep(number, part) {
    // The last one asked for stands last.
    texts.delete(number);
    texts.set(number, part);
    if (texts.size > KEPT) texts.delete(texts.keys().next().value);
  }

  function tell(error, what = "Not all of the samples can be shown") {
    find("problem").hidden = false;
    find("problem").textContent = error instanceof Told ? error.message : `${what}; load the page again (${error.message}).`;
    find("status").textContent = what;
  }

  // --- Orders: by radix, which takes a tenth of a second for a million samples. ---

  function keysOf(values, down) {
    const keys = new Uint32Array(COUNT);
    if (values instanceof Float32Array) {
      const bits = new Uint32Array(values.buffer);
      for (let place = 0; place < COUNT; place += 1) keys[place] = bits[place] ^ (bits[place] >>> 31 ? 0xffffffff : 0x80000000);
    } else keys.set(values);
    if (down) for (let place = 0; place < COUNT; place += 1) keys[place] = ~keys[place];
    return keys;
  }

  // Places by their keys; equal ones stay in the order of the run.
  function ordered(values, down) {
    const keys = keysOf(values, down);
    let from = new Uint32Array(COUNT), to = new Uint32Array(COUNT);
    for (let place = 0; place < COUNT; place += 1) from[place] = place;
    for (const shift of [0, 11, 22]) {
      const starts = new Uint32Array(2049);
      for (let place = 0; place < COUNT; place += 1) starts[((keys[place] >>> shift) & 2047) + 1] += 1;
      for (let digit = 0; digit < 2048; digit += 1) starts[digit + 1] += starts[digit];
      for (let place = 0; place < COUNT; place += 1) to[starts[(keys[from[place]] >>> shift) & 2047]++] = from[place];
      [from, to] = [to, from];
    }
    return from;
  }

  // A target's places, 1 the highest influence.
  function ranksOf(target) {
    if (!ranks.has(target)) {
      const order = orderOf("influence-down", target), rank = new Uint32Array(COUNT);
      for (let place = 0; place < COUNT; place += 1) rank[order[place]] = place + 1;
      ranks.set(target, rank);
    }
    return ranks.get(target);
  }

  function orderOf(sort, target = state.target) {
    const down = sort.endsWith("-down"), name = sort.replace("-down", "");
    const key = name === "influence" ? `${sort} ${target}` : name === "apart" ? `${sort} ${state.target} ${state.other}` : sort;
    if (!orders.has(key)) {
      if (orders.size > 6) orders.delete(orders.keys().next().value);
      orders.set(key, ordered(name === "influence" ? columns[influenceName(target)] : name === "apart" ? apart() : columns[name], down));
    }
    return orders.get(key);
  }

  // How many places a sample is higher here than in the other target.
  function apart() {
    const here = ranksOf(state.target), there = ranksOf(state.other), places = new Float32Array(COUNT);
    for (let place = 0; place < COUNT; place += 1) places[place] = there[place] - here[place];
    return places;
  }

  // --- Search: through the files of texts, a few at a time, and none of them kept. ---

  const NO_SEARCH = { words: "", done: 0, hits: null };
  let search = NO_SEARCH;
  const FILES = Math.ceil(COUNT / DATA.a_file);

  function hit([text, , ...sources], place, words, labels) {
    return text.toLowerCase().includes(words) || labels[place].includes(words)
      || sources.some((value) => value !== null && value.toLowerCase().includes(words));
  }

  async function seek(words) {
    const mine = search = { words, done: 0, hits: new Uint8Array(COUNT) };
    const lower = columns.labels.map((label) => label.toLowerCase());
    let next = 0, shown = performance.now();
    const reader = async () => {
      while (next < FILES && search === mine) {
        const number = next++;
        (await readTexts(number)).forEach((sample, place) => {
          const at = number * DATA.a_file + place;
          if (hit(sample, columns.label[at], words, lower)) mine.hits[at] = 1;
        });
        mine.done += 1;
        if (performance.now() - shown > 400) { shown = performance.now(); if (search === mine) show(); }
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, reader));
    } catch (error) {
      if (search !== mine) return;
      // A search that was not finished is no search: the next one begins anew.
      search = NO_SEARCH;
      tell(error);
    }
    if (search === mine) show();
  }

  // --- What is shown. ---

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

  // --- The histogram: its axis is asinh(influence / median size). ---

  // Sizes in order; of very many samples those of some, for the unit of an axis need not be exact.
  function sizesOf(values) {
    const by = Math.ceil(COUNT / 50000);
    return Float32Array.from({ length: Math.ceil(COUNT / by) }, (_, place) => Math.abs(values[place * by])).sort();
  }

  const axes = new Map();
  function axisOf(target) {
    if (!axes.has(target)) {
      const values = columns[influenceName(target)], sizes = sizesOf(values);
      let low = Infinity, high = -Infinity;
      for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
      const unit = sizes[Math.floor(sizes.length / 2)] || sizes.at(-1) || 1;
      const begin = Math.asinh(low / unit), end = Math.max(Math.asinh(high / unit), begin + 1e-9);
      const axis = { low, high, value: (share) => unit * Math.sinh(begin + share * (end - begin)),
        share: (value) => (Math.asinh(value / unit) - begin) / (end - begin) };
      axis.bins = new Uint8Array(COUNT).map((_, at) => Math.max(0, Math.min(BINS - 1, Math.floor(axis.share(values[at]) * BINS))));
      axis.every = new Uint32Array(BINS);
      for (const bin of axis.bins) axis.every[bin] += 1;
      axes.set(target, axis);
    }
    return axes.get(target);
  }

  const SVG = "http://www.w3.org/2000/svg";
  function shape(tag, className, values) {
    const element = document.createElementNS(SVG, tag);
    element.setAttribute("class", className);
    for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
    return element;
  }

  function bars(bins, top) {
    return [...bins].map((count, bin) => (count ? `M${bin} 100V${(100 - 98 * Math.sqrt(count / top)).toFixed(2)}h1V100z` : "")).join("");
  }

  function histogram() {
    const axis = axisOf(state.target), mine = new Uint32Array(BINS), svg = find("histogram");
    for (const at of found) mine[axis.bins[at]] += 1;
    const top = Math.max(1, ...axis.every);
    svg.replaceChildren(shape("path", "every", { d: bars(axis.every, top) }), shape("path", "found", { d: bars(mine, top) }));
    if (state.from !== "" || state.to !== "") {
      const end = (text, share) => Math.max(0, Math.min(BINS, text === "" ? share : axis.share(Number(text)) * BINS));
      const low = end(state.from, 0), high = end(state.to, BINS);
      if (high >= low) svg.append(shape("rect", "range", { x: low, y: 0, width: Math.max(high - low, .3), height: 100 }));
    }
    svg.setAttribute("aria-label", `Histogram of influence on ${state.target}: from ${number(axis.low, true)} to ${number(axis.high, true)}, `
      + `${told(found.length)} of ${told(COUNT)} samples chosen`);
    find("ticks").replaceChildren(...[0, .25, .5, .75, 1].map((share) => make("span", "", number(axis.value(share), true))));
  }

  function brush() {
    const svg = find("histogram");
    let begun = null;
    const shareOf = (event) => {
      const box = svg.getBoundingClientRect();
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    };
    // An end of the axis is no end of the range, for it is rounded.
    const rounded = (axis, share) => (share <= 0 || share >= 1 ? "" : String(Number(axis.value(share).toPrecision(4))));
    svg.addEventListener("pointerdown", (event) => {
      // Before the columns are there, there are no bars.
      if (!svg.firstChild) return;
      begun = shareOf(event);
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (begun === null) return;
      const ends = [begun, shareOf(event)].sort((one, other) => one - other), old = svg.querySelector(".range");
      if (old) old.remove();
      svg.append(shape("rect", "range", { x: ends[0] * BINS, y: 0, width: (ends[1] - ends[0]) * BINS, height: 100 }));
    });
    svg.addEventListener("pointerup", (event) => {
      if (begun === null) return;
      const [low, high] = [begun, shareOf(event)].sort((one, other) => one - other), axis = axisOf(state.target);
      begun = null;
      // A click takes the range away.
      change(high - low < .004 ? { from: "", to: "" } : { from: rounded(axis, low), to: rounded(axis, high) });
    });
    svg.addEventListener("pointercancel", () => { begun = null; histogram(); });
  }

  // --- Two targets: places in one against places in the other. ---

  function comparison() {
    find("comparison").hidden = state.other === "";
    if (state.other === "") return;
    const here = ranksOf(state.target), there = ranksOf(state.other), middle = (COUNT + 1) / 2;
    let product = 0, square = 0;
    const both = SHARES.map(() => 0), tops = SHARES.map(topOf);
    for (let at = 0; at < COUNT; at += 1) {
      product += (here[at] - middle) * (there[at] - middle);
      square += (here[at] - middle) ** 2;
      for (let place = 0; place < SHARES.length; place += 1) if (here[at] <= tops[place] && there[at] <= tops[place]) both[place] += 1;
    }
    const correlation = square === 0 ? 0 : product / square;
    const share = SHARES.map((of, place) => `${of} %: ${told(both[place])} of ${told(tops[place])} (by chance ${told(Math.round(10 * tops[place] ** 2 / COUNT) / 10)})`);
    find("about-scatter").textContent = `Places on ${state.target} and ${state.other}`;
    find("compared").textContent = `Right and up: higher influence on ${state.target} and on ${state.other}. Shown are the samples of the list. `
      + `Rank correlation of all samples: ${correlation.toFixed(2)}. At the top of both, of the highest ${share.join("; ")}.`;
    find("scatter").setAttribute("aria-label", `Places of the samples on ${state.target}, across, and on ${state.other}, upwards; rank correlation ${correlation.toFixed(2)}`);
    density(here, there);
  }

  function density(here, there) {
    const cells = new Uint32Array(CELLS * CELLS), side = (rank) => Math.floor((COUNT - rank) * CELLS / COUNT);
    for (const at of found) cells[(CELLS - 1 - side(there[at])) * CELLS + side(here[at])] += 1;
    const most = cells.reduce((one, other) => Math.max(one, other), 1), canvas = find("scatter").getContext("2d");
    const image = canvas.createImageData(CELLS, CELLS), ink = matchMedia("(prefers-color-scheme: dark)").matches ? [125, 184, 240] : [11, 92, 173];
    cells.forEach((count, cell) => {
      image.data.set([...ink, count ? 50 + 205 * Math.sqrt(count / most) : 0], 4 * cell);
    });
    canvas.putImageData(image, 0, 0);
  }

  // --- The list. ---

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

  // --- Begin. ---

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
