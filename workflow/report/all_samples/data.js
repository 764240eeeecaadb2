  // Data: scripts beside the page hand it columns and texts.

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
