  // The histogram: its axis is asinh(influence / median size).

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
