"""The command `mda`: its help, its errors, and what it loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

from mda.commands import program

FOLDER = ROOT / "workflow" / "mda"


def mda(*arguments, cwd, **variables):
    command = [sys.executable, *(arguments or ("-m", "mda"))]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True)


def test_every_way_to_call_it_works_from_elsewhere(tmp_path):
    for words, variables in (
        ((str(FOLDER),), {}),
        (("-m", "mda"), {"PYTHONPATH": str(ROOT / "workflow")}),
        ((os.path.relpath(FOLDER, tmp_path),), {}),
    ):
        done = mda(*words, "--version", cwd=tmp_path, **variables)
        assert done.stdout.startswith("mda 0."), done.stderr


def test_the_installed_command_finds_the_workflow_wherever_it_is_called_from(tmp_path):
    project, elsewhere = tmp_path / "a project", tmp_path / "elsewhere"
    binaries = project / ".venv" / "bin"
    binaries.mkdir(parents=True)
    elsewhere.mkdir()
    (project / "workflow").symlink_to(ROOT / "workflow")
    (binaries / "python").symlink_to(sys.executable)
    launcher = binaries / "mda"
    launcher.write_text((ROOT / "envs" / "mda.sh").read_text())
    launcher.chmod(0o755)
    done = subprocess.run([launcher, "--version"], cwd=elsewhere, text=True, capture_output=True)
    assert done.stdout.startswith("mda 0."), done.stderr


def test_the_help_names_every_verb_and_is_quick(tmp_path):
    took = []
    for _ in range(3):
        before = os.times()
        done = mda(str(FOLDER), "--help", cwd=tmp_path)
        after = os.times()
        took.append(sum(after[2:4]) - sum(before[2:4]))
    assert done.returncode == 0
    for verb, line in program.VERBS.items():
        assert f"  {verb:12}{line}" in done.stdout
    # Of processor time: other tests run beside this one.
    assert min(took) < 0.3


@pytest.mark.parametrize("verb", program.VERBS)
def test_the_help_of_a_verb_has_examples_and_explains_every_option(verb, capsys):
    with pytest.raises(SystemExit) as end:
        program.main([verb, "--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert f"  mda {verb}" in told.partition("example")[2]
    parser = program.argparse.ArgumentParser()
    program.load(verb).add_arguments(parser)
    assert all(action.help for action in parser._actions)


def test_no_verb_loads_torch_for_its_help(tmp_path):
    text = (
        "import sys; from mda.commands import program\n"
        f"for verb in {list(program.VERBS)}:\n"
        "    try: program.main([verb, '--help'])\n"
        "    except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = mda("-c", text, cwd=tmp_path, PYTHONPATH=str(ROOT / "workflow"))
    assert done.returncode == 0, done.stderr


def test_a_wrong_verb_and_a_wrong_option_are_one_sentence(capsys):
    for words, sentence in (
        (["rum"], "no verb 'rum'; choose from run, status"),
        (["cost", "--rate", "3"], "unrecognized arguments: --rate"),
    ):
        with pytest.raises(SystemExit) as end:
            program.main(words)
        assert end.value.code == 2
        assert sentence in capsys.readouterr().err


def test_without_a_verb_it_shows_its_help(capsys):
    assert program.main([]) == 2
    assert "verbs:" in capsys.readouterr().out


def test_a_user_error_is_one_printable_sentence(capsys):
    assert program.main(["provenance", "gone\x1b.csv"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: gone\\x1b.csv: there is no such file")
    assert told.count("\n") == 1


def test_make_calls_it_for_every_verb_that_both_have():
    text = Path(ROOT / "Makefile").read_text()
    assert "python workflow/" not in text
    for verb in ("status", "pin", "cost", "bench"):
        assert f"@$(MDA) {verb}" in text
