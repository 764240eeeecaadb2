"""What is kept of sources from one process to the next says what the sources say."""

import pytest

from mda.runtime import fingerprints

FILES = {
    "steps/stage/one.py": "from mda.low import part, other as b\nimport mda.low.part\n\nprint(part, b)\n",
    "low/part.py": '"""A docstring."""\n\nvalue = 1  # a comment\n',
    "low/other.py": "def other():\n    from mda.low import part\n\n    return part.value\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three modules; it counts how often one is parsed."""
    package = tmp_path / "mda"
    for name, text in FILES.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    monkeypatch.setattr(fingerprints, "PACKAGE", package)
    monkeypatch.setattr(fingerprints.sys, "dont_write_bytecode", False)
    yield package
    fingerprints._digest.cache_clear()
    fingerprints._kept.cache_clear()


@pytest.fixture
def another_process(package, monkeypatch):
    """The fingerprint that a process of its own finds, and the modules that it parses for it."""

    def find():
        parsed, ends = [], []
        monkeypatch.setattr(fingerprints.atexit, "register", ends.append)
        real = fingerprints._parsed

        def noted(path, content):
            parsed.append(path.stem)
            return real(path, content)

        monkeypatch.setattr(fingerprints, "_parsed", noted)
        fingerprints._digest.cache_clear()
        fingerprints._kept.cache_clear()
        found = fingerprints.fingerprint("stage.one")
        for end in ends:
            end()
        monkeypatch.setattr(fingerprints, "_parsed", real)
        return found, sorted(parsed)

    return find


def test_what_is_kept_is_what_would_be_found(another_process, package):
    first, parsed = another_process()
    assert parsed == ["one", "other", "part"]
    assert another_process() == (first, [])
    source = package / "low/part.py"
    source.write_text(FILES["low/part.py"].replace("a comment", "another"))
    assert another_process() == (first, ["part"])
    source.write_text("value = 2\n")
    changed, parsed = another_process()
    assert (changed != first, parsed) == (True, ["part"])
    source.write_text(FILES["low/part.py"])
    assert another_process() == (first, ["part"])


@pytest.mark.parametrize("text", ["", "[]", "[1, 2]", '{"low/part.py": 3}', "\udcff"])
def test_a_broken_file_counts_as_none(another_process, package, text):
    first, _ = another_process()
    (kept,) = (package / "__pycache__").iterdir()
    kept.write_bytes(text.encode(errors="surrogateescape"))
    assert another_process() == (first, ["one", "other", "part"])
    assert another_process() == (first, [])


def test_what_another_rule_or_python_has_kept_is_not_taken(another_process, package, monkeypatch):
    first, _ = another_process()
    monkeypatch.setattr(fingerprints._Kept, "rule", "another")
    assert another_process() == (first, ["one", "other", "part"])
    assert another_process() == (first, [])


def test_without_a_place_for_it_nothing_is_kept(another_process, package, monkeypatch):
    (package / "__pycache__").write_text("no folder")
    first, _ = another_process()
    assert another_process() == (first, ["one", "other", "part"])
    (package / "__pycache__").unlink()
    monkeypatch.setattr(fingerprints.sys, "dont_write_bytecode", True)
    assert another_process() == another_process() == (first, ["one", "other", "part"])
    assert not (package / "__pycache__").exists()
