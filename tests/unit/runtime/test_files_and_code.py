"""Whole files or none, provenance, the steps' command line, and code fingerprints."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from project import ROOT
from safetensors.numpy import save_file

from mda.figures import style
from mda.runtime import cli, files, fingerprints, parquet
from mda.runtime.errors import UserError
from mda.training import watched_probes

STEPS = fingerprints.steps()


def test_a_failed_write_leaves_nothing(tmp_path):
    target = tmp_path / "out.json"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), files.whole(target) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_goes_away(tmp_path):
    for name, age in (("old", 2 * files.STALE_SECONDS), ("new", 0)):
        part = tmp_path / f".out.json.{name}.part"
        part.write_text("half")
        os.utime(part, (time.time() - age, time.time() - age))
    files.write_text(tmp_path / "out.json", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"out.json", ".out.json.new.part"}


def test_large_inputs_are_told_apart_by_their_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "HASHED_BYTES", 10)
    (tmp_path / "a").write_bytes(b"x" * 20)
    (tmp_path / "b").write_bytes(b"x" * 19 + b"y")
    assert files.describe(tmp_path / "a") != files.describe(tmp_path / "b")


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    for content in ("one", "two"):
        with files.whole(tmp_path / "folder") as part:
            part.mkdir()
            (part / content).write_text(content)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["two"]


@contextlib.contextmanager
def full_disk():
    """Within, no file can have more than four kilobytes."""
    given = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores the signal that comes with it, so that writing fails.
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, given[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, given)


def tensors(out):
    with files.whole(out) as part:
        save_file({"x": np.zeros(9999)}, part)


@pytest.mark.parametrize(
    "write",
    [
        lambda out: files.write_array(out, np.zeros(9999)),
        lambda out: parquet.write_table(out, {"x": np.random.default_rng(0).random(9999)}),
        lambda out: files.write_text(out, "x" * 9999),
        tensors,
        lambda out: style.save(style.plt.figure(), [out.with_suffix(".png")], 200),
    ],
    ids=["array", "table", "text", "tensors", "figure"],
)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, write):
    with pytest.raises(UserError, match=r"cannot be written .*free the disk") as caught, full_disk():
        write(tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_results_say_what_made_them(tmp_path):
    files.set_made_by({"step": "test", "parameters": {"seed": 1}})
    try:
        parquet.write_table(tmp_path / "t.parquet", {"x": np.arange(3)})
        files.write_json(tmp_path / "t.json", {"x": 1})
    finally:
        files.set_made_by({})
    metadata = json.loads(pq.read_schema(tmp_path / "t.parquet").metadata[b"made_by"])
    assert metadata == {"step": "test", "parameters": {"seed": 1}}
    assert files.read_json(tmp_path / "t.json")["made_by"]["step"] == "test"


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing"])
def test_a_truncated_table_is_one_sentence(tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read as Parquet .* delete it and run again"):
        parquet.read_table(tmp_path / "t.parquet")


def test_the_command_line_is_the_signature(tmp_path, monkeypatch, capsys):
    seen = {}

    def step(source: Path, many: list[Path], count: int, rates: list[float], name: str, out: Path) -> None:
        seen.update(locals())

    monkeypatch.setattr(cli, "_record", lambda *arguments: {})
    arguments = [
        "--source",
        "a",
        "--many",
        "b",
        "c",
        "--count",
        "3",
        "--rates",
        "[0.5]",
        "--name",
        "x",
        "--out",
        "y",
    ]
    monkeypatch.chdir(tmp_path)
    cli.run(step, arguments)
    assert seen["many"] == [Path("b"), Path("c")]
    assert (seen["count"], seen["rates"], seen["name"]) == (3, [0.5], "x")
    arguments[arguments.index("3")] = "three"
    with pytest.raises(SystemExit) as caught:
        cli.run(step, arguments)
    assert caught.value.code == 1
    assert "--count: Invalid JSON" in capsys.readouterr().err


SOURCES = [path.read_text() for path in sorted((ROOT / "workflow" / "rules").rglob("*.smk"))]
RULES = re.findall(r"^ *rule(?: \w+)?:\n((?:(?! *rule[ :]).*\n)*)", "\n".join(SOURCES), re.MULTILINE)
# Names of steps in the files of rules. A command is made again when its job runs, so a name means one step.
NAMED = re.findall(r'^ *([A-Z_]+) = Step\("([\w.]+)"', "\n".join(SOURCES), re.MULTILINE)


def test_a_step_has_one_name_in_all_rules():
    for name, _ in NAMED:
        assert len(re.findall(rf"^ *{name} = ", "\n".join(SOURCES), re.MULTILINE)) == 1, name


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_a_rule_that_passes_its_fingerprint(step):
    names = [name for name, named in NAMED if named == step]
    found = [body for body in RULES if any(f" {name}.command(" in body for name in names)]
    assert found
    for body in found:
        assert any(f" code={name}.code," in body for name in names)


@pytest.fixture(scope="module")
def before():
    """The fingerprint of every step of the package as it is."""
    return all_fingerprints()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, to be edited."""
    shutil.copytree(fingerprints.PACKAGE, tmp_path / "mda")
    monkeypatch.setattr(fingerprints, "PACKAGE", tmp_path / "mda")
    clear()
    yield tmp_path / "mda"
    clear()


def clear():
    fingerprints._digest.cache_clear()


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    clear()


def all_fingerprints():
    return {step: fingerprints.fingerprint(step) for step in STEPS}


def test_comments_docstrings_and_layout_change_no_fingerprint(before, package):
    probes = package / "attribution" / "probes.py"
    edit(probes, "    del heads\n", "    # A comment.\n\n    del heads\n")
    edit(probes, "A scalar in nats.", "A scalar, in nats.")
    assert all_fingerprints() == before


def test_an_edit_changes_the_steps_that_run_it_and_no_others(before, package):
    edit(
        package / "attribution" / "probes.py",
        "length = tokens.shape[1] // 2",
        "length = tokens.shape[1] // 3",
    )
    after = all_fingerprints()
    assert {step for step in STEPS if before[step] != after[step]} == {
        "attribution.check_gradients",
        "attribution.scores", "attribution.stored_scores", "attribution.token_influence",
        "attribution.trajectory", "studies.exact", "studies.sanity",
    }  # fmt: skip


def test_an_edit_of_a_module_imported_by_an_imported_module_counts(before, package):
    edit(package / "interventions" / "repetition.py", "== 0", "== 1")
    after = all_fingerprints()
    changed = {step for step in STEPS if before[step] != after[step]}
    assert changed == {
        "attribution.check_gradients",
        "attribution.token_influence", "figures.top_samples", "interventions.control_scores",
        "interventions.motifs", "interventions.select", "interventions.synthesize",
        "report.report", "report.trace_report",
        "studies.agreement", "studies.enrichment", "studies.overlap", "studies.recovery",
        "studies.sanity", "studies.tail",
    }  # fmt: skip


def test_what_a_probe_imports_from_beside_it_belongs_to_the_fingerprint(tmp_path):
    sources = {
        "own.py": "import math, helper\nfrom pack import part\n",
        "helper.py": "def f():\n    import deep\n",
        "deep.py": "x = 1\n",
        "pack/__init__.py": "from . import other\n",
        "pack/part.py": "from .other import y\nfrom mda.interventions import repetition\n",
        "pack/other.py": "y = 1\n",
        "unused.py": "x = 1\n",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = fingerprints.beside(tmp_path / "own.py")
    names = {str(path.relative_to(tmp_path)) for path in found.values()}
    assert names == set(sources) - {
        "own.py",
        "unused.py",
    }
    files = (str(tmp_path / "own.py"), *map(str, found.values()))
    for name in ("helper.py", "deep.py", "pack/other.py"):
        before = fingerprints.fingerprint("training.order", files)
        (tmp_path / name).write_text(sources[name] + "z = 2\n")
        clear()
        assert fingerprints.fingerprint("training.order", files) != before, name


def test_what_a_probe_imports_of_the_package_belongs_to_it(tmp_path, package):
    (tmp_path / "own.py").write_text("from mda.interventions import repetition\n")
    own = (str(tmp_path / "own.py"),)
    before = fingerprints.fingerprint("training.order", own), fingerprints.fingerprint("training.order")
    edit(package / "interventions" / "repetition.py", "== 0", "== 1")
    assert fingerprints.fingerprint("training.order", own) != before[0]
    assert fingerprints.fingerprint("training.order") == before[1]


def test_a_users_probe_belongs_to_the_fingerprint(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("x = 1\n")
    before = fingerprints.fingerprint("training.order", (str(own),))
    own.write_text("x = 2\n")
    clear()
    assert fingerprints.fingerprint("training.order", (str(own),)) != before


def test_an_edit_of_the_probes_changes_a_training_that_watches_one(package):
    """And no other: a step names their module and does not import it, the rule adds it where it counts."""
    extra = (str(fingerprints.PACKAGE / "attribution" / "questions.py"),)
    rules = (ROOT / "workflow" / "rules" / "common.smk").read_text()
    assert 'fingerprints.PACKAGE / "attribution" / "questions.py"' in rules
    assert watched_probes.MODULE == "mda.attribution.questions"
    before = [fingerprints.fingerprint("training.retrain", more) for more in ((), extra)]
    edit(package / "attribution" / "probes.py", "length = tokens.shape[1] // 2", "length = 1")
    after = [fingerprints.fingerprint("training.retrain", more) for more in ((), extra)]
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_lines_of_some_values_are_found_in_every_part_of_a_file(tmp_path):
    path = tmp_path / "table.parquet"
    parts = (pa.table({"number": range(begin, begin + 10), "text": ["x"] * 10}) for begin in (0, 10, 20))
    parquet.write_tables(path, parts)
    found = parquet.read_batches_in(path, "number", [25, 9, 3, 40], ["number", "text"])
    assert [number for batch in found for number in batch.column("number").to_pylist()] == [3, 9, 25]
    assert list(parquet.read_batches_in(path, "number", [], ["text"])) == []
