"""The browser of all samples in a real browser: it must find, order, compare and save what the table says."""

import re

import numpy as np
import pandas as pd
import pytest
from browser import made_up
from playwright.sync_api import expect
from scipy.stats import spearmanr

from mda.interventions import own_scores
from mda.report import all_samples
from mda.runtime import database, parquet

COUNT = 1000
SCORED = made_up.scored(COUNT)
HERE, THERE = (SCORED.influence[target].astype(float) for target in made_up.UNITS)
ORDER = np.argsort(-HERE, kind="stable")
TEXTS = [f"Sample number {place} of the text" for place in range(COUNT)]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples") / "all"
    return made_up.write_all(folder, SCORED, TEXTS, [[f"document-{place}.txt"] for place in range(COUNT)])


def rows(page):
    """The rows that are shown, in order."""
    shown = page.eval_on_selector_all("article", "boxes => boxes.map(box => box.innerText)")
    return [int(re.search(r"row\n?\s*(\d+)", text)[1]) for text in shown]


def status(page, words):
    expect(page.locator("#status")).to_have_text(words)


def test_every_sample_has_its_place_on_some_page(path, visit):
    page = visit(path)
    status(page, "1–20 of 1,000 samples")
    assert rows(page) == SCORED.columns["row"][ORDER[:20]].tolist()
    assert f"Sample number {ORDER[0]} of" in page.inner_text("article")
    assert f"document-{ORDER[0]}.txt" in page.inner_text("article")
    page = visit(path, "#page=26")
    status(page, "501–520 of 1,000 samples")
    expect(page.locator("h2").nth(2)).to_have_text("Place 501")
    assert rows(page) == SCORED.columns["row"][ORDER[500:520]].tolist()


@pytest.mark.parametrize("key", ["influence", "loss", "row", "step"])
def test_samples_are_sorted_over_all_pages(path, visit, key):
    values = HERE if key == "influence" else SCORED.columns[key]
    page = visit(path, f"#sort={key}&page=50")
    status(page, "981–1,000 of 1,000 samples")
    order = np.argsort(values, kind="stable")[980:]
    assert rows(page) == SCORED.columns["row"][order].tolist()


def test_filters_go_together(path, visit):
    low, high = 0.1, 1.5
    page = visit(path, f"#from={low}&to={high}&window=1&label=%3Dtiled")
    step, label = SCORED.columns["step"], SCORED.columns["label"]
    kept = [at for at in ORDER if low <= HERE[at] <= high and 60 <= step[at] < 240 and label[at] == 1]
    assert len(kept) > 20
    status(page, f"1–20 of {len(kept)} samples")
    assert rows(page) == SCORED.columns["row"][kept[:20]].tolist()


def test_the_search_reads_texts_and_columns_of_all_files(path, visit):
    page = visit(path)
    page.fill("#search", "NUMBER 99")
    status(page, "1–11 of 11 samples")
    assert page.locator("mark").all_inner_texts() == ["number 99"] * 11
    page.fill("#search", "document-777.TXT")
    status(page, "1–1 of 1 sample")
    assert rows(page) == [int(SCORED.columns["row"][777])]
    page.fill("#search", "no such words")
    status(page, "No samples")
    page.click(".none button")
    status(page, "1–20 of 1,000 samples")


def test_a_range_is_dragged_over_the_histogram(path, visit):
    page = visit(path)
    box = page.locator("#histogram").bounding_box()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 20, box["y"] + 40, steps=4)
    page.mouse.up()
    expect(page.locator("#from")).not_to_have_value("")
    low = float(page.input_value("#from"))
    assert page.input_value("#to") == "" and HERE.min() < low < HERE.max()
    status(page, re.compile(f" of {(low <= HERE).sum()} samples"))
    page.mouse.click(box["x"] + 5, box["y"] + 40)
    status(page, "1–20 of 1,000 samples")


def test_two_targets_are_compared(path, visit):
    page = visit(path, "#other=pair&both=5&sort=apart-down")
    top = set(ORDER[:50]) & set(np.argsort(-THERE, kind="stable")[:50])
    status(page, re.compile(f" of {len(top)} samples"))
    told = page.inner_text("#compared")
    assert f"Rank correlation of all samples: {spearmanr(HERE, THERE).statistic:.2f}." in told
    assert f"5 %: {len(top)} of 50 (by chance 2.5)" in told
    place = {at: number for number, at in enumerate(np.argsort(-THERE, kind="stable"))}
    apart = sorted(top, key=lambda at: -(place[at] - ORDER.tolist().index(at)))
    assert rows(page)[0] == SCORED.columns["row"][apart[0]]
    page.select_option("#other", "")
    status(page, "1–20 of 1,000 samples")


def test_two_checkpoints_are_compared(tmp_path, visit):
    """Of the same units, which come first among what there is to compare with."""
    late, early = "induction-1 at late", "induction-1 at early"
    influence = {late: SCORED.influence["induction-1"], "pair at late": SCORED.influence["induction-1"]}
    influence |= {early: SCORED.influence["pair"], "pair at early": SCORED.influence["pair"]}
    made = all_samples.Scored(SCORED.columns, influence, SCORED.labels)
    page = visit(made_up.write_all(tmp_path / "all", made, TEXTS, [[]] * COUNT))
    choices = page.eval_on_selector_all("#other option", "options => options.map(option => option.value)")
    assert choices == ["", early, "pair at late", "pair at early"]
    page.select_option("#other", early)
    page.select_option("#sort", "apart-down")
    correlation = f"Rank correlation of all samples: {spearmanr(HERE, THERE).statistic:.2f}."
    expect(page.locator("#compared")).to_contain_text(correlation)
    place = np.argsort(np.argsort(-THERE, kind="stable")) - np.argsort(np.argsort(-HERE, kind="stable"))
    expect(page.locator("article").first).to_contain_text(TEXTS[int(place.argmax())])
    assert f"influence on {early}" in page.inner_text("article")
    # The sample browser has the ends of the targets at one checkpoint.
    page.select_option("#sort", "influence-down")
    assert "target=induction-1&side=top" in page.locator("article a").first.get_attribute("href")
    page.select_option("#target", early)
    expect(page.locator("#name")).to_have_text(early)
    assert page.locator("article a").count() == 0
    assert "loss at step 120" in page.inner_text("article")


def test_keys_go_from_sample_to_sample_and_over_the_ends_of_a_page(path, visit):
    page = visit(path, "#page=2")
    place = "[...document.querySelectorAll('article')].indexOf(document.activeElement)"
    for key, expected in (("j", 0), ("j", 1), ("J", 2), ("k", 1)):
        page.keyboard.press(key)
        assert page.evaluate(place) == expected
    # What is typed is no key of the page.
    page.fill("#search", "")
    page.type("#search", "kj")
    assert page.input_value("#search") == "kj"
    page.fill("#search", "")
    status(page, "1–20 of 1,000 samples")
    page.locator("article").nth(19).focus()
    page.keyboard.press("j")
    status(page, "21–40 of 1,000 samples")
    expect(page.locator("article").first).to_be_focused()
    page.keyboard.press("k")
    status(page, "1–20 of 1,000 samples")
    expect(page.locator("article").nth(19)).to_be_focused()
    page.locator("article").first.focus()
    page.keyboard.press("k")
    assert page.evaluate(place) == 0


def test_what_is_saved_is_a_selection_of_ones_own(path, visit, tmp_path):
    page = visit(path, "#to=-1&other=pair")
    with page.expect_download() as waiting:
        page.click("#save")
    waiting.value.save_as(tmp_path / "own.csv")
    saved = pd.read_csv(tmp_path / "own.csv")
    kept = [at for at in ORDER if HERE[at] <= -1]
    assert saved["row"].tolist() == SCORED.columns["row"][kept].tolist()
    assert saved["place"].tolist() == list(range(COUNT - len(kept) + 1, COUNT + 1))
    assert saved["influence"].to_numpy() == pytest.approx(HERE[kept])
    assert saved["influence on pair"].to_numpy() == pytest.approx(THERE[kept])
    with database.beside(tmp_path / "out") as data:
        read = parquet.read_table(own_scores.keep(data, tmp_path / "own.csv").path)
    assert read.column("row").to_pylist() == saved["row"].tolist()
    assert read.column("score").to_pylist() == saved["influence"].tolist()


def test_a_page_without_its_folder_says_so(path, visit, tmp_path, chromium):
    alone = tmp_path / "index.html"
    alone.write_text(path.read_text())
    page = chromium.new_page()
    page.goto(alone.as_uri())
    expect(page.locator("#problem")).to_contain_text("missing beside this page; keep its folder as a whole")
    page.close()


HELD = """(names) => {
  // Scripts of these names wait in `held`, each until a test lets it go, once.
  const append = document.head.append.bind(document.head);
  window.held = {};
  document.head.append = (script) => {
    const name = names.find((name) => script.src.endsWith(name));
    if (!name) return append(script);
    names = names.filter((other) => other !== name);
    window.held[name] = () => append(script);
  };
  // A search shows at every file what it has found.
  let now = 0;
  performance.now = () => (now += 1000);
}"""


def test_another_target_can_be_chosen_during_a_search(path, visit):
    """Its column comes late; until then the page shows the target that it has."""
    here = SCORED.columns["row"]
    page = visit(path, f"#row={here[0]}")
    late = ["texts-000002.js", "texts-000003.js", "column-influence-1.js"]
    page.evaluate(HELD, late)
    page.fill("#search", "number")
    status(page, "1–1 of 1 sample; searched 50 %")
    page.select_option("#target", "pair")
    page.evaluate("held['texts-000002.js']()")
    status(page, "1–1 of 1 sample; searched 75 %")
    assert (page.input_value("#target"), page.inner_text("#name")) == ("pair", "induction-1")
    page.evaluate("held['column-influence-1.js']()")
    expect(page.locator("#name")).to_have_text("pair")
    place = int((THERE[0] < THERE).sum()) + 1
    expect(page.locator("h2", has_text="Place")).to_have_text(f"Place {place}")
    page.evaluate("held['texts-000003.js']()")
    status(page, "1–1 of 1 sample")
    assert page.is_hidden("#problem")


def test_a_search_that_fails_is_told_and_can_be_tried_again(path, visit):
    """Even where something else was chosen since it began."""
    page = visit(path, f"#row={SCORED.columns['row'][0]}")
    page.evaluate(HELD, ["texts-000003.js"])
    page.fill("#search", "number")
    status(page, "1–1 of 1 sample; searched 75 %")
    page.select_option("#sort", "loss")
    page.evaluate("""() => {
        const right = window.SAMPLES;
        window.SAMPLES = (kind, key) => { right(kind, key, "AAAA"); window.SAMPLES = right; };
        held["texts-000003.js"]();
    }""")
    expect(page.locator("#problem")).to_contain_text(
        "Not all of the samples can be shown; load the page again ("
    )
    page.select_option("#sort", "row")
    status(page, "1–1 of 1 sample")
    assert page.is_hidden("#problem")


def test_what_is_typed_during_a_search_stays(path, visit):
    page = visit(path, f"#row={SCORED.columns['row'][0]}")
    page.evaluate(HELD, ["texts-000002.js"])
    page.fill("#search", "number")
    status(page, "1–1 of 1 sample; searched 75 %")
    # In one turn of the page, so that no change of what is typed has come to count before.
    page.evaluate("""() => {
        const search = document.getElementById("search");
        search.value = "number 99";
        search.dispatchEvent(new Event("input"));
        held["texts-000002.js"]();
    }""")
    status(page, "No samples")
    assert page.input_value("#search") == "number 99"


def test_a_search_says_how_much_of_each_text_it_reads(tmp_path, visit, path):
    label = page_label(visit(path))
    assert label == "Search in the texts, in labels and first documents"
    texts = [*TEXTS[:29], "long " * 200 + "the end"]
    page = visit(made_up.write_all(tmp_path / "all", made_up.scored(30), texts, [[]] * 30))
    assert page_label(page) == "Search in the first 1,000 characters of each text and in labels"
    page.fill("#search", "the end")
    expect(page.locator(".none")).to_contain_text(
        "No sample has the words “the end” in the first 1,000 characters of its text."
    )


def test_a_long_name_of_a_document_fits_a_phone(tmp_path, visit):
    name = "site-packages/" + "a_long_name_of_a_folder/" * 10 + "<b>file</b>.py and 2 more"
    path = made_up.write_all(tmp_path / "all", made_up.scored(3), TEXTS[:3], [[name]] * 3)
    page = visit(path, width=390)
    assert name in page.inner_text("article")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def page_label(page):
    return page.inner_text("label:has(#search)")


def test_a_table_that_cannot_be_saved_is_told(path, visit):
    page = visit(path)
    page.evaluate("() => { URL.createObjectURL = () => { throw new Error('no room'); }; }")
    page.click("#save")
    expect(page.locator("#problem")).to_have_text(
        "The table could not be saved; load the page again (no room)."
    )
    expect(page.locator("#save")).to_have_text("Save these as CSV")
    assert page.is_enabled("#save")


def test_a_browser_that_cannot_unpack_is_told_so(path, visit):
    page = visit(path, f"#row={SCORED.columns['row'][0]}")
    page.evaluate("delete window.DecompressionStream")
    page.fill("#row", "")
    expect(page.locator("#problem")).to_have_text(
        "This browser is too old to unpack the texts; open the page in one of 2024 or later."
    )


def test_one_target_is_compared_with_none(tmp_path, visit):
    made = made_up.scored(30)
    only = all_samples.Scored(made.columns, {"pair": made.influence["pair"]}, made.labels)
    folder = tmp_path / "all"
    page = visit(made_up.write_all(folder, only, TEXTS[:30], [[]] * 30), "#target=pair&sort=apart")
    assert not page.is_visible("#other") and not page.is_visible("#comparison")


@pytest.mark.rare
def test_ten_thousand_hostile_samples_are_text(tmp_path, visit):
    """Tags, control signs, a NUL, halves of characters, very long lines: shown on every page, never run."""
    count = 10_000
    bad = [
        *made_up.HOSTILE,
        "\x00",
        "\ud83d",
        "\udc00\ud800",
        "x" * 100_000,
        "\n" * 300,
        "__proto__",
        "${alert(5)}",
    ]
    texts = [f"{bad[place % len(bad)]} {place}" for place in range(count)]
    made = made_up.scored(count)
    labels = [f"{bad[place % len(bad)][:50]}{place}" for place in range(500)]
    made = all_samples.Scored(
        {**made.columns, "label": (np.arange(count) % 500).astype("<u4")}, made.influence, labels
    )
    path = made_up.write_all(tmp_path / "all", made, texts, [[text[:60]] for text in texts])
    page = visit(path)
    for number in range(1, 501, 23):
        page = visit(path, f"#page={number}")
        tags = page.evaluate("[...new Set([...document.querySelectorAll('#list *')].map(e => e.tagName))]")
        assert set(tags) <= {"LI", "ARTICLE", "DIV", "H2", "SPAN", "DL", "DT", "DD", "P", "BUTTON", "A"}
        assert page.evaluate("document.scripts.length") == 2
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.fill("#search", "<script>alert(1)")
    found = [at for at in range(count) if "<script>alert(1)" in texts[at] + labels[at % 500]]
    status(page, f"1–20 of {len(found)} samples")
    expect(page.locator("mark").first).to_be_visible()
