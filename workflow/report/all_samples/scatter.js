  // Two targets: places in one against places in the other.

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
