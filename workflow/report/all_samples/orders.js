  // Orders: by radix, which takes a tenth of a second for a million samples.

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
