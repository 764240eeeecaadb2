"""YAML is read as its current version says; what could be read in two ways, or would be lost, is refused."""

import pytest
import yaml

from mda.config import settings, strict_yaml
from mda.runtime.errors import UserError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1.0e-8", 1e-8), ("-2E+2", -200.0), (".5", 0.5), ("3.", 3.0), ("+7", 7), ("0", 0),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        # Booleans of YAML 1.1 are the texts that they are.
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("y", "y"), ("NO", "NO"),
        ("2026-11-27", "2026-11-27"), ("a:b", "a:b"), ("v1.2.3", "v1.2.3"),
        ("'010'", "010"), ("L1H0", "L1H0"),
        ("[1e-3, {a: 2e5}]", [0.001, {"a": 2e5}]),
        ("{a: &x [1, 2], b: *x}", {"a": [1, 2], "b": [1, 2]}),
        ("{base: &x {a: 1, b: 1}, own: {<<: *x, b: 2}}", {"base": {"a": 1, "b": 1}, "own": {"a": 1, "b": 2}}),
    ],
)  # fmt: skip
def test_a_value_is_what_it_says(text, value):
    found = strict_yaml.parse(text, "place")
    assert found == value
    assert type(found) is type(value)


BOMB = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}, r: *a{n - 1}}}\n" for n in range(1, 40)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("run: {a: 1}\nx: 2\nrun: {b: 2}", "line 3: the key 'run' is there twice, in line 1 and in line 3"),
        ("a:\n  b: 1\n  'b': 2", "the key 'b' is there twice, in line 2 and in line 3"),
        ("{a: 1, a: 2}", "the key 'a' is there twice, in line 1 and in line 1"),
        ("- {<<: {a: 1}, <<: {b: 1}}", "the key '<<' is there twice"),
        ("a: 010", "line 1: 010 is read as different numbers, or as a text"),
        ("a: 1:30", "1:30 is read as different numbers"),
        ("a: 0x1F", "0x1F is read as different numbers"),
        ("a: 0o17", "0o17 is read as different numbers"),
        ("a: 1_000", "1_000 is read as different numbers"),
        ("a: 1e999", "1e999 is too large for a number; write it in quotes if it is a text"),
        ("a: " + "9" * 5000, "is no number, or one with too many digits"),
        ("a:\n\tb: 1", "line 2: is not valid YAML (found character '\\t'"),
        ("a: [", "is not valid YAML"),
        ("a: 1\n---\nb: 1", "is not valid YAML (but found another document)"),
        ("? [a]\n: 1", "a key is no word"),
        ("a: !!python/object:os.system x", "is not for settings; take it away"),
        ("a: !!binary x", "the tag of binary is not for settings"),
        ("a: !!float x", "x is no number"),
        ("a: &x {b: *x}", "a value holds itself by an alias"),
        (BOMB, "aliases make more than 1,000,000 values"),
        ("[" * 5000, "is nested too deeply"),
        ("a: \x01", "special characters are not allowed"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_sentence_with_the_line(text, words):
    with pytest.raises(UserError) as caught:
        strict_yaml.parse(text, "f.yaml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"- a\n", "is a list, not keys with values"),
        (b"text", "is a single value, not keys with values"),
        (b"a: \xff", "is not UTF-8 at byte 3"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_is_no_mapping(tmp_path, content, words):
    path = tmp_path / "f.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        strict_yaml.read(path)
    assert str(caught.value).startswith(f"{path}: {words}")


def test_an_empty_file_and_a_mark_of_byte_order_are_fine(tmp_path):
    (tmp_path / "f.yaml").write_bytes(b"# nothing\n")
    assert strict_yaml.read(tmp_path / "f.yaml") == {}
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert strict_yaml.read(tmp_path / "f.yaml") == {"a": 1}


def test_what_is_written_is_read_as_the_same_by_either_version():
    value = {
        "text": ["1e-3", "010", "1:30", "no", "0x1F", "1_000", "2026-11-27", "a", ""],
        "x": 1e-8,
        "n": None,
    }
    text = strict_yaml.dump(value)
    assert strict_yaml.parse(text, "dumped") == yaml.safe_load(text) == value


def test_files_count_in_their_order_and_the_command_line_last(tmp_path):
    for name, text in (
        ("a", "run: {x: 1, y: 1}\nl: [1, 2]"),
        ("b", "run: {y: 2}\nl: [3]\nt: {a: 1}"),
        ("c", "t: 3"),
    ):
        (tmp_path / name).write_text(text)
    paths = [tmp_path / name for name in "abc"]
    found = settings.read(paths, ["run={z: 1e-3}", "ll=[1]"])
    assert found == {"run": {"x": 1, "y": 2, "z": 0.001}, "l": [3], "t": 3, "ll": [1]}


def test_merging_is_snakemakes():
    from snakemake.utils import update_config

    base = {"a": {"b": 1, "c": {"d": 1}}, "e": None, "f": 2, "g": [1]}
    over = {"a": {"c": {"x": 2}, "b": None}, "e": {"y": 1}, "f": {"z": 1}, "g": [], "h": {"i": {"j": 1}}}
    merged = settings.merge(base, over)
    update_config(base, over)
    assert merged == base


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--configfile", "a", "--configfile", "b"],
            "--configfile: is given twice, and Snakemake would forget",
        ),
        (["--configfile", "a", "all", "--configfiles=b"], "--configfiles: is given twice"),
        (["--config", "experiment=a", "-n", "-C", "model=1"], "-C: is given twice"),
        (["-Cab=1", "-C", "cd=2"], "-C: is given twice"),
        (["--set-resources", "a:gpu=1", "--set-resources", "b:gpu=1"], "--set-resources: is given twice"),
    ],
)
def test_an_option_that_snakemake_would_forget_is_refused(words, said):
    with pytest.raises(UserError, match=said):
        settings.options(words)


def test_options_have_their_values():
    words = [
        "-n",
        "all",
        "--configfile",
        "a",
        "b",
        "--config=experiment=x",
        "--profile",
        "slurm",
        "-q",
        "rules",
    ]
    assert settings.options(words) == {"configfile": ["a", "b"], "config": ["experiment=x"]}
    assert settings.profiles([*words, "--profile=other"]) == ["other", "slurm"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["experiment"], "--config experiment: is not KEY=VALUE"),
        (["ab=#fff"], "--config ab: #fff is a comment in YAML; put it in quotes"),
        (["ab=[1"], "--config ab, line 1: is not valid YAML"),
        (["ab=010"], "010 is read as different numbers"),
        (["experiment=a", "experiment=b"], "--config experiment: is given twice"),
    ],
)
def test_an_argument_that_cannot_be_read_is_one_sentence(arguments, said):
    with pytest.raises(UserError) as caught:
        settings.of_arguments(arguments)
    assert said in str(caught.value)


def test_a_profile_is_read_as_strictly(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("jobs: 1\njobs: 2\n")
    with pytest.raises(UserError, match="the key 'jobs' is there twice"):
        settings.check_profile(path, {})
    path.write_text("configfile: a.yaml\n")
    settings.check_profile(path, {})
    with pytest.raises(UserError, match="sets 'configfile', which --configfile on the command line replaces"):
        settings.check_profile(path, {"configfile": ["b.yaml"]})


@pytest.mark.parametrize("text", ["{1: a, +1: b}", "{true: a, True: b}", "{~: a, null: b}", "{1: a, '1': b}"])
def test_a_key_in_two_spellings_is_there_twice(text):
    with pytest.raises(UserError, match="is there twice, in line 1 and in line 1"):
        strict_yaml.parse(text, "x.yaml")


def test_half_of_a_character_is_refused():
    with pytest.raises(UserError, match=r"x\.yaml, line 2: half of a character"):
        strict_yaml.parse('a: 1\nb: "\\ud800"\n', "x.yaml")
