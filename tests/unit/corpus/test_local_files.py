"""Plain files as documents: of a folder, and of a made-up Python environment."""

import base64
import hashlib
import json
import os
import sysconfig

import pytest

from mda.config import corpus_sections
from mda.config.corpus_sections import FilePattern
from mda.corpus import local_files, python_environment, sources
from mda.corpus.document import Document
from mda.runtime.errors import UserError
from mda.steps.corpus import corpus as corpus_step


def settings(root, **changes):
    section = {
        "root": str(root),
        "patterns": [{"label": "code", "glob": "**/*.py"}, {"label": "prose", "glob": "**/*.txt"}],
        "exclude": [], "undecodable": "skip", "max_characters": 100,
    }  # fmt: skip
    return corpus_sections.Files.model_validate({**section, **changes})


def write(root, **texts):
    """Files whose names have two underscores for a slash and one for a dot."""
    for name, text in texts.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "texts"
    write(root, a_py="one\n" * 9, b__a_py="one\n" * 9, b__c_py=" x ", d_txt="two\n" * 9, e_txt="three\n" * 9)
    return root


def origins(found):
    return [document.origin for document in found]


def test_short_ones_and_duplicates_are_left_out_and_counted(folder, caplog):
    caplog.set_level("INFO")
    assert origins(local_files.documents(settings(folder))) == ["a.py", "b/a.py", "b/c.py", "d.txt", "e.txt"]
    found = list(local_files.documents(settings(folder, min_characters=2, drop_duplicates=True)))
    assert origins(found) == ["a.py", "d.txt", "e.txt"]
    assert (
        "of 5 files that match; 1 shorter than 2 characters left out; 1 exact duplicates left out"
        in caplog.text
    )
    # What is cut away is no part of a document.
    cut = settings(folder, max_characters=1, drop_duplicates=True)
    assert origins(local_files.documents(cut)) == ["a.py", "b/c.py", "d.txt"]


def test_a_draw_is_of_so_many_documents_and_depends_on_names_and_seed_alone(folder, caplog):
    caplog.set_level("INFO")
    draws = [origins(local_files.documents(settings(folder, documents=3, seed=seed))) for seed in range(20)]
    assert {len(draw) for draw in draws} == {3}
    assert len(set(map(tuple, draws))) > 10
    every = settings(folder, documents=5, seed=4)
    order = origins(local_files.documents(every))
    assert draws[4] == order[:3]
    # Without a file the others stay in their order, and so they do in another place.
    (folder / order[1]).unlink()
    moved = folder.rename(folder.with_name("elsewhere"))
    left = settings(moved, documents=5, seed=4)
    assert origins(local_files.documents(left)) == [order[0], *order[2:]]
    assert "these are only 4 of the 5 documents asked for" in caplog.text


def test_a_draw_has_labels_in_their_shares(tmp_path):
    for number in range(800):
        write(tmp_path, **{f"n{number}_{'py' if number % 4 else 'txt'}": f"text {number}"})
    found = list(local_files.documents(settings(tmp_path, documents=400)))
    share = sum(document.label == "prose" for document in found) / 400
    # A quarter; three standard deviations of a draw without replacement.
    assert abs(share - 0.25) < 3 * (0.25 * 0.75 / 400 / 2) ** 0.5


def test_lengths_that_leave_nothing_are_one_sentence(folder):
    with pytest.raises(ValueError, match=r"min_characters \(200\) exceeds max_characters \(100\)"):
        settings(folder, min_characters=200)


NAMES = (
    "a.py",
    "x/a.py",
    "x/y/a.py",
    "x/y/b.pyi",
    "x/test_a.py",
    "tests/a.py",
    "x/tests/y/a.py",
    "x/A+1.txt",
)
GLOBS = (
    "*.py", "**/*.py", "x/**/*.py", "**/tests/**/*.py", "**/test_*.py", "x/*/a.py", "**/[ab].py*",
    "**/[!a].*",
    "x/A+?.txt", "x/y/b.pyi", "**/y/*", "*/*.py",
)  # fmt: skip


@pytest.mark.parametrize("glob", GLOBS)
def test_patterns_match_as_those_of_pathlib(tmp_path, monkeypatch, glob):
    """Of an environment they are matched by `re`, of a folder by pathlib."""
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    wanted = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob(glob) if path.is_file()}
    assert wanted
    monkeypatch.setattr(python_environment, "_standard_library", lambda root: {})
    monkeypatch.setattr(
        python_environment, "_packages", lambda: {name: (tmp_path / name, tmp_path) for name in NAMES}
    )
    found = python_environment.labelled(
        [FilePattern(label="no", glob="*.no"), FilePattern(label="x", glob=glob)]
    )
    assert {name for name, _, label in found if label == "x"} == wanted


def install(site, name, version, files, unhashed=()):
    """A package as an installer leaves it, with the list of its files."""
    notes = f"{name}-{version}.dist-info"
    files = {
        **files, f"{notes}/METADATA": f"Name: {name}\nVersion: {version}\n", f"{notes}/INSTALLER": "pip\n",
        f"{notes}/direct_url.json": json.dumps({"url": f"file://{site}"}),
    }  # fmt: skip
    lines = []
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},," if path in unhashed else f"{path},sha256={digest},{len(text)}")
    (site / notes / "RECORD").write_text("\n".join([*lines, f"{notes}/RECORD,,"]) + "\n")


def environment(place, monkeypatch):
    """A Python environment in a folder: the standard library, a pinned package and one that is not."""
    library, site = place / "lib", place / "lib" / "site-packages"
    write(library, json__tool_py="tool", readme_txt="read me", **{"config-3__x_py": "built"})
    (library / "_sysconfigdata_here.py").write_text("built")
    (library / "json" / "__pycache__").mkdir()
    (library / "json" / "__pycache__" / "tool.py").write_text("made here")
    own = {
        "pinned/code.py": "code", "pinned/tests/first.py": "test", "pinned/made.py": "made",
        "pinned/x.txt": "x",
        "../../bin/pinned.py": f"#!{place}/bin/python", "pinned/__pycache__/code.py": "compiled",
    }  # fmt: skip
    install(site, "pinned", "1.0+cpu", own, unhashed=("pinned/made.py",))
    install(site, "besides", "2.0", {"besides/code.py": "not pinned"})
    (place / "outside.py").write_text("outside")
    for link, to in (("json/leaves.py", place / "outside.py"), ("json/stays.py", library / "readme.txt")):
        (library / link).symlink_to(to)
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(library)})
    monkeypatch.setattr(python_environment, "pinned", lambda: {"pinned": "1.0", "gone": "3.0"})
    monkeypatch.syspath_prepend(str(site))


PATTERNS = [
    {"label": "tests", "glob": "**/tests/**/*.py"},
    {"label": "code", "glob": "**/*.py"},
    {"label": "prose", "glob": "**/*.txt"},
    {"label": "prose", "glob": "**/METADATA"},
    {"label": "data", "glob": "**/*.json"},
]


def test_an_environment_has_what_its_pins_brought_and_nothing_else(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    environment(tmp_path, monkeypatch)
    found = list(local_files.documents(settings("python-environment", patterns=PATTERNS)))
    assert [(document.origin, document.label) for document in found] == [
        ("lib/json/stays.py", "code"),
        ("lib/json/tool.py", "code"),
        ("lib/readme.txt", "prose"),
        ("site-packages/pinned-1.0+cpu.dist-info/METADATA", "prose"),
        ("site-packages/pinned/code.py", "code"),
        ("site-packages/pinned/tests/first.py", "tests"),
        ("site-packages/pinned/x.txt", "prose"),
    ]
    assert "not as envs/ pins them, so that the corpus is another one: gone (missing)" in caplog.text
    excluded = settings("python-environment", patterns=PATTERNS, exclude=["lib/*"])
    assert len(list(local_files.documents(excluded))) == 4


def test_two_environments_of_the_same_pins_are_the_same_corpus(default, tmp_path, monkeypatch):
    summaries = []
    for name in ("here", "a longer place"):
        place = tmp_path / name
        with monkeypatch.context() as patch:
            environment(place, patch)
            files = settings("python-environment", patterns=PATTERNS, documents=5).model_dump()
            chosen = {**default["corpus"], "source": "files", "files": files}
            corpus = corpus_sections.Corpus.model_validate(chosen)
            planned = sources.fingerprint(corpus)
            out = place / "documents.parquet"
            corpus_step.collect(corpus, out, planned, place / "summary.json")
        summaries.append((planned, json.loads((place / "summary.json").read_text())))
        assert str(place) not in (place / "summary.json").read_text()
    assert summaries[0] == summaries[1]
    planned, summary = summaries[0]
    assert summary["documents"] == 5
    assert summary["sha256"].startswith(planned)


def test_an_edit_of_what_is_read_changes_the_fingerprint(default, tmp_path, monkeypatch):
    environment(tmp_path, monkeypatch)
    files = settings("python-environment", patterns=PATTERNS, undecodable="error").model_dump()
    corpus = corpus_sections.Corpus.model_validate({**default["corpus"], "source": "files", "files": files})
    before = sources.fingerprint(corpus)
    code = tmp_path / "lib" / "site-packages" / "pinned" / "code.py"
    os.utime(code, (0, 0))
    assert sources.fingerprint(corpus) == before
    code.write_text("else")
    after = sources.fingerprint(corpus)
    assert after != before
    with pytest.raises(
        UserError, match="a file of the source 'files': has changed since this run was planned"
    ):
        corpus_step.collect(corpus, tmp_path / "documents.parquet", before)
    # The plan is made where the step will refuse.
    code.write_bytes(b"\xff")
    assert sources.fingerprint(corpus) not in (before, after)
    with pytest.raises(UserError, match=r"code\.py: not UTF-8 at byte 0; convert the file"):
        corpus_step.collect(corpus, tmp_path / "documents.parquet", sources.fingerprint(corpus))


def test_the_packages_for_tests_are_not_pinned():
    pinned = python_environment.pinned()
    assert {"torch", "kronfluence", "snakemake-executor-plugin-slurm"} <= set(pinned)
    assert not {"pytest", "ruff", "playwright"} & set(pinned)


def test_the_running_environment_is_read():
    """A few real files, with no name of a folder of this machine."""
    found = list(
        local_files.documents(
            settings("python-environment", patterns=PATTERNS, documents=200, max_characters=50)
        )
    )
    assert len(found) == 200
    assert {document.origin.split("/")[0] for document in found} == {"lib", "site-packages"}
    assert not [document for document in found if "__pycache__" in document.origin]


def test_the_hash_of_documents_is_of_texts_labels_and_origins():
    one = [Document("text", "code", "a.py"), Document("é", "prose", "b.txt")]
    lines = b'["a.py", "code", "text"]\n["b.txt", "prose", "\\u00e9"]\n'
    assert sources.digest(one) == hashlib.sha256(lines).hexdigest()
    assert sources.digest(reversed(one)) != sources.digest(one)


def test_the_summary_counts_by_label(default, folder):
    files = settings(folder).model_dump()
    corpus = corpus_sections.Corpus.model_validate({**default["corpus"], "source": "files", "files": files})
    out = folder / "summary.json"
    corpus_step.collect(corpus, folder / "documents.parquet", out_summary=out)
    found = json.loads(out.read_text())
    assert found.pop("sha256")
    del found["made_by"]
    assert found == {
        "documents": 5,
        "characters": 36 + 36 + 3 + 36 + 54,
        "labels": {
            "code": {"documents": 3, "characters": 75},
            "prose": {"documents": 2, "characters": 90},
        },
    }
