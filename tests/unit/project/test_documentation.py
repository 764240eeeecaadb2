"""The documentation is built strictly, asks for nothing from outside, and its reference is whole."""

import importlib
import itertools
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import yaml
from project import ROOT

from mda.config.experiment import Config
from mda.report import columns

GENERATE = ROOT / "docs" / "generate"


@pytest.fixture(scope="module")
def generate():
    """The modules that make the pages of the reference."""
    sys.path.insert(0, str(GENERATE))
    names = ("configuration", "result_files", "rules", "commands", "hook", "mathml")
    yield {name: importlib.import_module(name) for name in names}
    sys.path.remove(str(GENERATE))


class Addresses(HTMLParser):
    """What a page makes a browser fetch, and the anchors that it has."""

    def __init__(self, text):
        super().__init__()
        self.fetched = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("script", "img", "iframe", "source"):
            self.fetched.append(given.get("src") or given.get("srcset"))
        if tag == "link":
            self.fetched.append(given.get("href"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as by `make docs`: with a warning, such as of a broken link, it fails."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_pages_fetch_nothing_from_outside(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        fetched = [address for address in Addresses(page.read_text()).fetched if address]
        assert fetched
        assert not [address for address in fetched if re.match(r"(https?:)?//", address)], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", sheet.read_text()), sheet


def test_a_page_to_be_filled_in_says_so_on_disk_alone(site):
    filled = 0
    for page in (ROOT / "docs").rglob("*.md"):
        for place in re.finditer(r"<!-- generated: \w+ -->", page.read_text()):
            assert re.search(r"filled in by `make docs`[^*]+\*\n\n$", page.read_text()[: place.start()])
            filled += 1
        built = (site / page.relative_to(ROOT / "docs")).with_suffix(".html").read_text()
        assert "filled in by" not in built
    assert filled == 5


def test_formulas_are_drawn(site):
    page = (site / "explanation" / "method.html").read_text()
    assert page.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"') == 1
    assert "$`" not in page
    assert "```" not in page


def test_every_key_is_explained(generate):
    text = (ROOT / "config.yaml").read_text()
    found = {key.path: key for key in generate["configuration"].keys(Config, text)}
    assert len(found) > 150
    assert all(key.meaning and key.kind for key in found.values())
    assert found["run.window.stop"].kind == "whole number ≥ 1"
    assert found["run.window.stop"].default == "240"
    assert found["attribution.fit.strategy"].kind.endswith("<code>ekfac</code>")
    assert found["corpus.table.missing"].meaning.startswith("What to do with a row")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  # Samples in a batch.\n", "", "run.batch_size has no comment"),
        ("  batch_size: 64\n", "", "do not name the same keys: run.batch_size"),
        ("  #     split: train\n", "", "do not name the same keys: corpus.huggingface.split"),
    ],
)
def test_a_key_without_its_meaning_stops_the_build(generate, old, new, message):
    text = (ROOT / "config.yaml").read_text()
    assert old in text
    with pytest.raises(ValueError, match=message):
        generate["configuration"].keys(Config, text.replace(old, new))


def test_the_examples_in_config_yaml_are_valid(generate):
    """Each section that is null by default, as its comment shows it."""
    text = (ROOT / "config.yaml").read_text()
    shown = yaml.safe_load(generate["configuration"]._with_examples(text))
    given = yaml.safe_load(text)
    checked = 0
    for top, field in Config.model_fields.items():
        if not isinstance(given[top], dict) or not hasattr(field.annotation, "model_fields"):
            continue
        for name, inner in field.annotation.model_fields.items():
            if given[top][name] is None and shown[top][name] is not None:
                [schema] = [part for part in inner.annotation.__args__ if hasattr(part, "model_fields")]
                value = shown[top][name]
                if "repository" in value:
                    value["repository"] = "owner/name"
                schema.model_validate(value)
                checked += 1
    assert checked == 10


def every_rule(generate):
    return list(itertools.chain(*generate["hook"].rules_by_title().values()))


def result_files(generate):
    return generate["result_files"].read((ROOT / "workflow" / "report" / "result_files.yaml").read_text())


def test_every_output_of_a_rule_is_explained(generate):
    files, rules = result_files(generate), every_rule(generate)
    explained = {rule for file in files for rule in generate["result_files"].makers(file.path, rules)}
    assert {rule.name for rule in rules if rule.outputs} == explained
    # What no rule makes is written before the first one.
    unmade = [file.path for file in files if not generate["result_files"].makers(file.path, rules)]
    assert unmade == ["checks.json"]


def test_every_rule_is_in_the_reference(generate):
    sources = (ROOT / "workflow" / "rules").rglob("*.smk")
    named = re.findall(r"^ *rule (\w+):", "\n".join(path.read_text() for path in sources), re.MULTILINE)
    made = ["plot_study_{study}"]
    assert sorted([*named, *made]) == sorted(rule.name for rule in every_rule(generate))
    page = generate["hook"].generated()["rules"]
    assert all(f'<span id="{name}"></span>' in page for name in named)
    [scores] = [rule for rule in every_rule(generate) if rule.name == "scores"]
    assert scores.inputs == [
        "<results>/{place}scores/shards/{shard}.parquet",
        "<results>/tokens/train.rows.parquet",
    ]
    assert scores.outputs == ["<results>/{place}scores/scores.parquet"]


def test_every_table_is_a_result_file(generate):
    shown = {file.table for file in result_files(generate) if file.table is not None}
    assert shown == set(columns.tables())


@pytest.mark.parametrize(
    "entry",
    ["  - path: scores/scores.parquet\n    meaning: the scores\n", "  - path: scores/more.npy\n"],
)
def test_a_file_is_explained_once(generate, entry):
    with pytest.raises(ValueError, match=r"needs a meaning here or columns in columns.yaml, and not both"):
        generate["result_files"].read(f"files:\n{entry}")


def test_a_column_stands_with_its_companions(generate):
    page = generate["hook"].generated()["results"]
    [line] = [line for line in page.splitlines() if line.startswith("| <code>beyond</code>")]
    assert "_<wbr>q" in line.replace("&#95;", "_")
    assert "paired by seed" in line


def test_every_verb_is_in_the_reference(generate):
    verbs = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    page = generate["hook"].generated()["verbs"]
    assert not [verb for verb in verbs if f">make {verb}<" not in page]


def test_the_glossary_defines_each_word_once():
    words = re.findall(
        r"^\*\*(.+)\*\*$", (ROOT / "docs" / "explanation" / "glossary.md").read_text(), re.MULTILINE
    )
    single = [word.strip() for entry in words for word in entry.split(",")]
    assert len(single) > 40
    assert len(single) == len({word.lower() for word in single})
    assert words == sorted(words, key=str.lower)


def test_a_formula_at_the_start_of_a_line_stays_in_its_sentence(generate):
    import markdown

    text = generate["mathml"].with_formulas("Take an outcome\n$`O`$, which depends on\n$`g`$ alone.\n")
    made = markdown.markdown(text, extensions=["md_in_html"])
    assert made.count("<p>") == 1
    assert made.index("<p>") < made.index("<math") < made.rindex("</math>") < made.index("alone.</p>")
