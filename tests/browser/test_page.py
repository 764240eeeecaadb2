"""The sample browser in a real browser: what it shows, what it finds, and what it never does."""

import base64
import re
import time

import pandas as pd
import pytest
from browser import made_up
from playwright.sync_api import expect

from mda.report import browser

LINES = made_up.lines()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page of 1,000 samples."""
    assert len(LINES) == 1000
    return made_up.write(tmp_path_factory.mktemp("page") / "index.html", LINES)


def of(**wanted):
    return [line for line in LINES if all(line[key] == value for key, value in wanted.items())]


def texts(page, selector):
    return [element.inner_text() for element in page.query_selector_all(selector)]


def numbers(page, name):
    return [float(re.sub(r"[^0-9.e-]", "", text.replace("−", "-"))) for text in texts(page, f"dd.{name}")]


def rows(page):
    return [int(row) for row in texts(page, "dd.row")]


def test_the_first_samples_are_there_in_two_seconds(path, visit):
    page = visit(path)
    began = time.monotonic()
    page.reload()
    page.wait_for_selector("article")
    assert time.monotonic() - began < 2
    assert page.inner_text("#status") == "1–20 of 250 samples"
    assert rows(page) == [line["row"] for line in of(target="induction-1", side="top")[:20]]
    assert texts(page, "article h2")[:2] == ["Highest 1", "Highest 2"]


def test_hostile_text_is_shown_and_never_run(path, visit):
    """The fixture sees to it that there was no dialog, complaint or request."""
    for target in made_up.UNITS:
        page = visit(path, f"#target={target}")
        shown = page.inner_text("#list")
        for words in made_up.HOSTILE:
            if words.isprintable() and words.isascii():
                assert words in shown
        assert "␁␂␛" in shown and "⟨202E⟩right to left⟨202C⟩" in shown and "⟨2028⟩" in shown
        assert "a⇥\tb⏎\nc" in page.evaluate("document.getElementById('list').textContent")
        assert "👩‍🔬🙂" in shown
        # Nothing in the list but what the page itself makes.
        tags = page.evaluate("[...new Set([...document.querySelectorAll('#list *')].map(e => e.tagName))]")
        assert set(tags) <= {"LI", "ARTICLE", "DIV", "H2", "SPAN", "DL", "DT", "DD", "U", "P", "BUTTON"}
        assert page.evaluate("document.scripts.length") == 2


@pytest.mark.parametrize("key", ["influence", "loss", "step"])
@pytest.mark.parametrize("down", [False, True])
def test_sorting_goes_over_all_pages(path, visit, key, down):
    page = visit(path, "#side=both")
    page.select_option("#sort", key + ("-down" if down else ""))
    expected = sorted((line[key] for line in of(target="induction-1")), reverse=down)
    assert numbers(page, key) == pytest.approx(expected[:20], rel=5e-3)
    for _ in range(24):
        page.click("#next")
    assert page.inner_text("#status") == "481–500 of 500 samples"
    assert numbers(page, key) == pytest.approx(expected[480:], rel=5e-3)
    assert page.is_disabled("#next") and page.is_disabled("#next-below")


def test_choices_filter_and_count(path, visit):
    page = visit(path)
    page.select_option("#target", "pair")
    page.check("input[value=bottom]", force=True)
    page.select_option("#label", label=f"tiled ({count('tiled')})")
    assert page.inner_text("#status").endswith(f" of {count('tiled')} samples")
    assert set(texts(page, ".chip")) == {"tiled"}
    assert rows(page) == [line["row"] for line in of(target="pair", side="bottom", label="tiled")[:20]]
    page.select_option("#label", label=f"{made_up.LABELS[2]} (10)")
    assert page.inner_text("#status") == "1–10 of 10 samples"
    assert page.inner_text("#name") == "pair"
    assert "L0N3, L0N5" in page.inner_text("#units")


def count(label):
    return len(of(target="pair", side="bottom", label=label))


def test_search_finds_text_across_tokens_and_marks_it(path, visit):
    page = visit(path, "#side=both")
    page.fill("#search", "HEAD of t")
    expected = [line for line in of(target="induction-1") if "head of t" in "".join(line["pieces"])]
    expect(page.locator("#status")).to_have_text(re.compile(f" of {len(expected)} samples$"))
    assert 3 < len(expected) < 250
    marked = page.eval_on_selector(
        "article", "box => [...box.querySelectorAll('.hit')].map(t => t.textContent)"
    )
    assert marked[0] == "head " and marked[1] == "of " and marked[2].startswith("t")
    page.fill("#search", "no such words")
    page.wait_for_selector(".none button")
    assert page.inner_text("#status") == "No samples"
    page.click(".none button")
    assert page.inner_text("#status") == "1–20 of 500 samples"


def test_a_range_of_influence_filters(path, visit):
    page = visit(path, "#side=both")
    every = sorted(line["influence"] for line in of(target="induction-1"))
    low, high = every[100], every[399]
    page.fill("#from", repr(low))
    page.fill("#to", repr(high))
    expect(page.locator("#status")).to_have_text("1–20 of 300 samples")
    page.select_option("#sort", "influence")
    assert numbers(page, "influence") == pytest.approx(every[100:120], rel=5e-3)
    again = visit(path, page.evaluate("location.hash"))
    assert again.inner_text("#status") == "1–20 of 300 samples"
    assert visit(path, "#side=both&from=nonsense").inner_text("#status") == "1–20 of 500 samples"


def test_tokens_are_shaded_by_their_influence_and_say_their_number(path, visit):
    page = visit(path)
    line = of(target="induction-1", side="top")[0]
    found = page.eval_on_selector(
        "article",
        """box => [...box.querySelectorAll('.token')].map(token => ({
            title: token.title, up: token.classList.contains('up'), down: token.classList.contains('down'),
            color: getComputedStyle(token).backgroundColor}))""",
    )
    values = line["token_influence"]
    assert len(found) == len(values) + 1
    assert found[-1]["title"].startswith("predicted only")
    largest = max(map(abs, values))
    for token, value in zip(found, values, strict=False):
        told = token["title"].split(";")[0]
        assert float(told.replace("−", "-")) == pytest.approx(value, rel=5e-3)
        assert told[0] == ("+" if value > 0 else "−")
        share = abs(value) / largest
        # What is next to nothing has no colour.
        if share < 0.009:
            assert not token["up"] and not token["down"]
        if share > 0.011:
            assert (token["up"], token["down"]) == (value > 0, value < 0)
            *color, alpha = (float(part) for part in re.findall(r"[\d.]+", token["color"]))
            assert color == ([230, 97, 1] if value > 0 else [128, 90, 200])
            assert alpha == pytest.approx(0.72 * share, abs=0.01)


def test_the_token_pointed_at_says_its_loss_and_what_the_head_attends_to(path, visit):
    page = visit(path)
    made = of(target="induction-1", side="top")[len(made_up.HOSTILE)]
    box = page.locator("article", has=page.locator("dd.row", has_text=re.compile(f"^{made['row']}$")))
    assert (
        page.inner_text("#attends")
        == "bars above tokens: what the head attends to, at step 120, from the token that you point at"
    )
    place = 20
    token = box.locator(f"[data-place='{place}']")
    token.hover()
    words, loss = box.locator(".told").inner_text(), float(f"{made['token_loss'][place - 1]:.3g}")
    assert f"; loss {loss:g} nats; attends to " in words
    received = float(re.search(r"attended to from here on: ([\d.]+) % on average", words)[1])
    assert received == pytest.approx(100 * made["received"][place], abs=0.06)
    shown = {
        at: round(100 * share)
        for at, share in zip(
            made["attended"][3 * place : 3 * place + 3], made["attention"][3 * place :], strict=False
        )
        if share >= browser.LEAST
    }
    assert 1 < len(shown) <= 3
    for at, percent in shown.items():
        where = "itself" if at == place else f"“{made['pieces'][at].strip()}” {place - at} before"
        assert f"{where} {percent} %" in words
    bars = """box => [...box.querySelectorAll('.attended')].map(
        token => [Number(token.dataset.place), token.style.getPropertyValue('--share')])"""
    assert {at: float(share) for at, share in box.evaluate(bars)} == {
        at: percent / 100 for at, percent in shown.items()
    }
    height = "t => parseFloat(getComputedStyle(t, '::after').height)"
    heights = {
        int(bar.get_attribute("data-place")): bar.evaluate(height) for bar in box.locator(".attended").all()
    }
    assert sorted(heights, key=lambda at: heights[at]) == sorted(shown, key=lambda at: shown[at])
    # A colour is influence, and stays.
    look = "t => getComputedStyle(t).backgroundColor"
    before = token.evaluate(look)
    page.mouse.move(0, 0)
    assert box.locator(".attended").count() == 0 and token.evaluate(look) == before
    assert box.locator(".told").inner_text().startswith("Largest token: ")


def test_of_neurons_no_attention_is_shown(path, visit):
    page = visit(path, "#target=pair")
    assert page.inner_text("#attends") == "neurons and MLPs attend to nothing, so no attention is shown"
    page.locator(".token").nth(5).hover()
    words = page.locator(".told").first.inner_text()
    assert " nats" in words and "attend" not in words


def test_full_colour_may_be_that_of_all_texts(path, visit):
    page = visit(path, "#shade=target")
    largest = max(abs(value) for line in of(target="induction-1") for value in line["token_influence"])
    assert page.inner_text("#high") == f"strengthens, +{float(f'{largest:.3g}'):g}"
    shaded = page.evaluate(
        "[...document.querySelectorAll('#list .token')].map(t => t.style.getPropertyValue('--a'))"
    )
    shown = [value for line in of(target="induction-1", side="top")[:20] for value in line["token_influence"]]
    assert max(map(float, filter(None, shaded))) == pytest.approx(max(map(abs, shown)) / largest, abs=1e-3)


def test_repeated_spans_are_marked_and_numbered(path, visit):
    page = visit(path, "#label=%3Dtiled")
    tiled = of(target="induction-1", side="top", label="tiled")[len(made_up.HOSTILE)]
    row = page.locator("dd.row", has_text=re.compile(f"^{tiled['row']}$"))
    box = page.locator("article", has=row)
    marked = box.locator("u")
    spans = browser.sample(tiled)["spans"]
    assert marked.count() == len(spans) > 4
    for place, (start, stop, number) in enumerate(spans):
        assert marked.nth(place).get_attribute("data-span") == str(number)
        assert marked.nth(place).text_content() == "".join(tiled["pieces"][start:stop])
    style = marked.first.evaluate("u => getComputedStyle(u).borderBottomWidth")
    assert style == "2px"
    assert re.search(r"repeated span 1$", marked.first.locator(".token").first.get_attribute("title"))


def test_a_repeated_span_is_outlined_and_keeps_its_colours(path, visit):
    """Blue and purple would be read as influence."""
    page = visit(path, "#label=%3Dtiled")
    span = page.locator("#list u").first
    look = "u => [getComputedStyle(u).backgroundColor, getComputedStyle(u).borderBottomColor]"
    before = span.evaluate(look)
    span.locator(".token").first.hover()
    assert "same" in span.get_attribute("class")
    assert span.evaluate(look) == before
    assert span.evaluate("u => getComputedStyle(u).backgroundColor") == "rgba(0, 0, 0, 0)"
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert span.evaluate("u => getComputedStyle(u).boxShadow") == f"{ink} 0px 0px 0px 2px"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("from=1e9", "No text of these has an influence of 1e9 or more."),
        ("from=2&to=1", "The range of influence is empty: it goes from 2 down to 1."),
        ("to=-1e9&label=%3Dprose", "has the label prose and an influence of -1e9 or less."),
        ("search=no%20such", "has the words “no such”."),
        ("row=12345678", "has the row 12345678."),
    ],
)
def test_what_hides_everything_is_named_and_taken_away(path, visit, state, words):
    page = visit(path, f"#{state}")
    assert words in page.inner_text(".none")
    assert page.get_attribute("#from", "aria-invalid") == str(state == "from=2&to=1").lower()
    page.click(".none button")
    assert page.inner_text("#status") == "1–20 of 250 samples"
    assert [page.input_value(f"#{id}") for id in ("from", "to", "search", "label")] == [""] * 4


def test_a_sample_says_its_place_its_loss_a_token_and_whether_interventions_may_take_it(path, visit):
    page = visit(path, "#side=both&sort=influence")
    line = min(of(target="induction-1"), key=lambda line: line["influence"])
    assert line["rank"] == 1 and line["side"] == "bottom"
    assert texts(page, "dd.place")[0] == "20,000 of 20,000, above 0.000 %"
    assert numbers(page, "loss-a-token")[0] == pytest.approx(line["loss"] / 32, rel=5e-3)
    assert texts(page, "dd.in-the-window")[0] == ("yes" if line["step"] >= 60 else "before it")
    assert set(texts(page, "dd.in-the-window")) == {"yes", "before it"}
    assert texts(visit(path), "dd.place")[0] == "1 of 20,000, above 99.995 %"
    assert "20,000 samples, of the whole run" in page.inner_text(".lead")
    assert "steps 60 to 239" in page.inner_text(".lead")


def test_a_sample_has_a_link(path, visit):
    page = visit(path)
    line = of(target="induction-1", side="top")[3]
    page.locator("article").nth(3).get_by_text("Link to it").click()
    assert rows(page) == [line["row"]]
    assert f"row={line['row']}" in page.evaluate("location.hash")
    other = visit(path, page.evaluate("location.hash"))
    assert rows(other) == [line["row"]]
    other.click("#all")
    assert other.inner_text("#status") == "1–20 of 500 samples"


def test_what_is_chosen_can_be_saved(path, visit):
    page = visit(path, "#target=pair&side=both&search=head%20of%20t")
    with page.expect_download() as saved:
        page.click("#save")
    found = pd.read_csv(saved.value.path())
    assert saved.value.suggested_filename == "samples-pair.csv"
    chosen = [line for line in of(target="pair") if "head of t" in "".join(line["pieces"])]
    assert set(found["row"]) == {line["row"] for line in chosen}
    assert len(found) == len(chosen) > 2
    by_row = {line["row"]: line for line in chosen}
    for line in found.to_dict("records"):
        assert line["influence"] == pytest.approx(by_row[line["row"]]["influence"], rel=1e-3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_are_all_samples_with_their_colours(path, visit, scheme):
    page = visit(path, color_scheme=scheme)
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    # Paper is white, whatever the screen was.
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(CONTRAST) >= 4.5
    assert page.locator("article").count() == 250
    assert page.locator("form").is_hidden()
    token = page.locator(".token.up").first
    assert token.evaluate("t => getComputedStyle(t).printColorAdjust") == "exact"
    assert page.locator("article").first.evaluate("a => getComputedStyle(a).breakInside") == "avoid"
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("article").count() == 20


def test_keys_go_from_sample_to_sample(path, visit):
    page = visit(path)
    page.locator("article").first.locator("[tabindex='0']").first.focus()
    place = "[...document.querySelectorAll('article')].indexOf(document.activeElement.closest('article'))"
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate(place) == 2
    page.keyboard.press("k")
    assert page.evaluate(place) == 1
    page.locator("article").last.locator("[tabindex='0']").first.focus()
    page.keyboard.press("j")
    assert page.inner_text("#status").startswith("21–") and page.evaluate(place) == 0


def test_the_address_holds_the_view(path, visit):
    page = visit(path)
    page.select_option("#target", "pair")
    page.check("input[value=both]", force=True)
    page.select_option("#sort", "loss-down")
    page.select_option("#shade", "target")
    page.select_option("#label", "=prose")
    page.fill("#search", "model")
    page.wait_for_url(re.compile("search=model"))
    page.click("#next")
    state, shown = page.evaluate("location.hash"), rows(page)
    other = visit(path, state)
    assert rows(other) == shown
    for id, value in (("target", "pair"), ("sort", "loss-down"), ("shade", "target"), ("search", "model")):
        assert other.input_value(f"#{id}") == value
    assert other.input_value("#label") == "=prose"
    assert other.is_checked("input[value=both]")
    assert other.inner_text("#status").startswith("21–")
    # Also when the address changes under the open page, and with nonsense in it.
    other.evaluate("location.hash = '#side=bottom&page=3'")
    expect(other.locator("h2").first).to_have_text("Lowest 41")
    nonsense = visit(path, "#target=nobody&side=left&sort=constructor&page=-4&label=x&shade=%00")
    assert nonsense.input_value("#target") == "induction-1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_nothing_is_wider_than_the_screen(path, visit, width, scheme):
    page = visit(path, "#side=both", width=width, height=844, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = (
        "element => Math.max(...[...element.querySelectorAll('*')].map(e => e.getBoundingClientRect().right))"
    )
    assert page.eval_on_selector("body", right) <= width + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(path, visit, scheme):
    """4.5 to 1 (WCAG 2, AA) for every text on what is behind it, shading included."""
    page = visit(path, "#side=both", color_scheme=scheme)
    assert page.evaluate(CONTRAST) >= 4.5


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, below) => {
    const alpha = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((place) => alpha * top[place] + (1 - alpha) * below[place]);
  };
  const light = (color) => {
    const linear = (part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const parts = color.map((part) => linear(part / 255));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const behind = (element) => element
    ? over(parse(getComputedStyle(element).backgroundColor), behind(element.parentElement)) : [255, 255, 255];
  let least = 21;
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.disabled || ['SCRIPT', 'NOSCRIPT', 'OPTION'].includes(element.tagName)) continue;
    const back = behind(element), front = over(parse(getComputedStyle(element).color), back);
    const [low, high] = [light(back), light(front)].sort((one, other) => one - other);
    least = Math.min(least, (high + 0.05) / (low + 0.05));
  }
  return least;
}"""


def test_the_keyboard_reaches_every_token_and_control(path, visit):
    page = visit(path)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('select, input')].filter(e => !e.labels.length).map(e => e.outerHTML)"
    )
    assert unnamed == []
    # A stop a text, not a token.
    assert page.locator("article").first.locator("[tabindex='0']").count() == 1
    first = page.locator("article").first
    first.locator("[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("document.activeElement.dataset.place")
    assert focused == "2"
    assert first.locator(".told").inner_text().endswith(page.evaluate("document.activeElement.title"))
    page.keyboard.press("End")
    assert "predicted only" in first.locator(".told").inner_text()


def test_a_long_text_shows_its_strongest_stretch_and_then_all(tmp_path, visit):
    line = made_up.lines(1, 2049)[0]
    line["token_influence"][1500] = 50.0
    page = visit(made_up.write(tmp_path / "long.html", [line]))
    shown = [int(token.get_attribute("data-place")) for token in page.query_selector_all(".token")]
    assert len(shown) == 160 and 1500 in shown
    page.click("article button")
    assert len(page.query_selector_all(".token")) == 2049
    page.click("article button")
    assert len(page.query_selector_all(".token")) == 160


def test_it_works_inside_a_report_too(path, tmp_path, visit):
    """Snakemake's report shows it in a frame whose address cannot be changed."""
    data = base64.b64encode(path.read_bytes()).decode()
    outer = tmp_path / "report.html"
    outer.write_text(
        f'<article>Report</article><iframe src="data:text/html;charset=utf8;base64,{data}"></iframe>'
    )
    page = visit(outer)
    frame = page.frame_locator("iframe")
    frame.locator("#target").select_option("pair")
    frame.locator("#sort").select_option("loss")
    frame.locator("#next").click()
    expect(frame.locator("#status")).to_have_text("21–40 of 250 samples")
    expected = sorted(line["loss"] for line in of(target="pair", side="top"))[20]
    assert float(frame.locator("dd.loss").first.inner_text().split()[0]) == pytest.approx(expected, rel=5e-3)


def test_an_empty_page_says_so(tmp_path, visit):
    page = visit(made_up.write(tmp_path / "empty.html", []))
    assert page.inner_text("#status") == "No samples"
