"""The folders of the package: data flows one way through them, and each step lies in that of its stage."""

import ast
import shutil

from project import ROOT

from mda.runtime import fingerprints

PACKAGE = ROOT / "workflow" / "mda"
# In the order in which the data flows, as mda/__init__.py says.
WINGS = [
    "runtime", "config", "hub", "corpus", "planning", "models", "training", "attribution", "interventions",
    "evidence", "report", "steps",
]  # fmt: skip
SOURCES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def imported(path):
    """Modules of the package that a source imports, as tuples of their names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mda":
            for alias in node.names:
                yield tuple(f"{node.module}.{alias.name}".split(".")[1:])
        elif isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")[1:]) for alias in node.names if alias.name[:4] == "mda.")


def test_the_wings_are_those_that_the_package_names():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(WINGS)
    named = (PACKAGE / "__init__.py").read_text().split("before it in this list:\n")[1].split(".\n")[0]
    assert " ".join(named.split()).split(", ") == WINGS[:-1]
    assert [path for path in SOURCES if len(path.parts) == 1] == [SOURCES[0].with_name("__init__.py")]


def test_no_wing_imports_from_one_above_it():
    above = [
        f"{source} imports {'.'.join(name)}"
        for source in SOURCES
        for name in imported(PACKAGE / source)
        if WINGS.index(name[0]) > WINGS.index(source.parts[0])
    ]
    assert not above


def test_no_step_imports_another():
    """What two steps share belongs to a wing."""
    for step in fingerprints.steps():
        path = fingerprints.step_file(step)
        assert not [name for name in imported(path) if name[0] == "steps"], step


def test_folders_of_steps_are_wings():
    assert {step.split(".")[0] for step in fingerprints.steps()} <= set(WINGS[:-1])


def test_moving_a_module_changes_no_fingerprint(tmp_path, monkeypatch):
    before = {step: fingerprints.fingerprint(step) for step in fingerprints.steps()}
    moved = tmp_path / "mda"
    shutil.copytree(PACKAGE, moved)
    (moved / "runtime" / "errors.py").rename(moved / "faults.py")
    (moved / "corpus" / "document.py").rename(moved / "planning" / "document.py")
    for path in moved.rglob("*.py"):
        text = path.read_text().replace("mda.runtime.errors", "mda.faults")
        path.write_text(text.replace("mda.corpus.document", "mda.planning.document"))
    monkeypatch.setattr(fingerprints, "PACKAGE", moved)
    fingerprints._digest.cache_clear()
    try:
        assert {step: fingerprints.fingerprint(step) for step in fingerprints.steps()} == before
    finally:
        fingerprints._digest.cache_clear()


def test_taking_the_same_name_from_another_module_changes_a_fingerprint(tmp_path, monkeypatch):
    """Although the step reads the same modules in all."""
    package = tmp_path / "mda"
    (package / "steps" / "corpus").mkdir(parents=True)
    (package / "corpus").mkdir()
    for name, value in (("one", 1), ("two", 2)):
        (package / "corpus" / f"{name}.py").write_text(f"x = {value}\n")
    step = package / "steps" / "corpus" / "taken.py"
    monkeypatch.setattr(fingerprints, "PACKAGE", package)
    found = []
    for first, second in (("one", "two"), ("two", "one")):
        step.write_text(f"from mda.corpus.{first} import x\nfrom mda.corpus.{second} import x as y\n")
        fingerprints._digest.cache_clear()
        found.append(fingerprints.fingerprint("corpus.taken"))
    fingerprints._digest.cache_clear()
    assert found[0] != found[1]
