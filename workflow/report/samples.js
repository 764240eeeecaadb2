  // What the pages of samples share.

  // Only ever text: no part of a sample is read as HTML.
  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function number(value, signed) {
    const size = Math.abs(value);
    const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? size.toExponential(2) : String(Number(size.toPrecision(3)));
    return (value < 0 ? "\u2212" : signed && value > 0 ? "+" : "") + text.replace("e-", "e\u2212").replace("e+", "e");
  }

  // How many of all are below a place, in percent, with as many digits as tell neighbours apart.
  function percentileOf(place, count) {
    return (100 * (count - place) / count).toFixed(Math.max(1, Math.ceil(Math.log10(count)) - 2));
  }

  // Line ends and tabs are shown and kept; control characters, those of direction too, only shown.
  function visible(text) {
    return text.replace(/\r?\n|[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (sign) => {
      if (sign === "\n" || sign === "\r\n") return "\u23ce\n";
      if (sign === "\t") return "\u21e5\t";
      const code = sign.charCodeAt(0);
      return code < 32 ? String.fromCharCode(0x2400 + code) : "\u27e8" + code.toString(16).toUpperCase().padStart(4, "0") + "\u27e9";
    });
  }

  function fill(select, options, value) {
    select.replaceChildren(...options.map(([key, text]) => {
      const option = make("option", "", text);
      option.value = key;
      return option;
    }));
    select.value = value;
  }

  // The keys J and K go to the next and the previous sample, over the ends of a page, unless one types.
  function walk(stops, turn) {
    document.addEventListener("keydown", async (event) => {
      const by = { j: 1, k: -1 }[event.key.toLowerCase()];
      if (!by || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select")) return;
      const all = stops(), now = all.findIndex((stop) => stop.closest("article").contains(document.activeElement));
      const next = now < 0 ? (by > 0 ? 0 : -1) : now + by;
      if (all[next]) all[next].focus();
      else if (now >= 0 && await turn(by)) stops().at(by > 0 ? 0 : -1).focus();
    });
  }

  // A table as a file. Between parts of it the page goes on.
  async function saveCsv(name, columns, lines) {
    const cell = (value) => (typeof value === "number" ? String(value) : `"${String(value).replaceAll('"', '""')}"`);
    const parts = [];
    let part = [columns.map(cell).join(",")];
    for (const line of lines) {
      part.push(line.map(cell).join(","));
      if (part.length >= 10000) {
        parts.push(part.join("\r\n") + "\r\n");
        part = [];
        await new Promise((go) => { setTimeout(go); });
      }
    }
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([...parts, ...part.map((line) => line + "\r\n")], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
