  // Search: through the files of texts, a few at a time, and none of them kept.

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
