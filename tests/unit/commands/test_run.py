"""`mda run`, `cost` and `pin` read settings as the workflow does, and hand on what is Snakemake's."""

import sys
from pathlib import Path

import pytest

from mda.commands import program, run
from mda.config import merged
from mda.planning import gpu_sharing
from mda.runtime import gpus
from mda.runtime.errors import UserError


@pytest.fixture
def overlay(tmp_path, monkeypatch):
    """Write an overlay in a folder of its own, which is the working one."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="mine.yaml"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return write


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("experiment: 1\n", "configuration: 'experiment' is 1: input should be a valid string."),
        ("- experiment: a\n", "mine.yaml: is a list, not keys with values"),
        ("corpus: 3\n", "'corpus' is 3: write keys with values"),
        (
            "run: {steps: 9}\nexperiment: a\nrun: {}\n",
            "the key 'run' is there twice, in line 1 and",
        ),
        ("a: \t- x", "mine.yaml, line 1: is not valid YAML"),
        (b"\xff\xfe", "mine.yaml: is not UTF-8 at byte 0"),
        ("model: {architecture: gpt2}\n", "'model.settings': unknown key 'intermediate_size' of gpt2"),
    ],
)
def test_a_wrong_overlay_starts_nothing(overlay, monkeypatch, capsys, tmp_path, text, sentence):
    monkeypatch.setattr(run, "call", lambda *arguments: pytest.fail("started"))
    name = overlay(text)
    for words in (["run", "--configfile", name], ["cost", name], ["pin", name]):
        assert program.main(words) == 1
        told = capsys.readouterr().err
        assert sentence in told
        assert told.startswith("error: ")
        assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--configfile", "gone.yaml"],
            "gone.yaml: cannot be read (No such file or directory)",
        ),
        (
            ["--configfile", "a", "--configfile", "b"],
            "--configfile: is given twice, and Snakemake",
        ),
        (["--config", "run={steps: many}"], "'run.steps' is 'many': input should be a valid integer"),
        (["--directory", "x"], "--directory: is not for `mda run`"),
    ],
)
def test_a_wrong_argument_is_one_sentence(overlay, monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(run, "call", lambda *arguments: pytest.fail("started"))
    assert program.main(["run", *arguments]) == 1
    assert words in capsys.readouterr().err


def test_the_folder_of_results_is_that_of_the_last_name(overlay):
    names = [overlay("experiment: a\n", "a.yaml"), overlay("experiment: b\n", "b.yaml")]
    assert str(run.configured(["--configfile", *names, "-n"]).results) == "results/b"
    assert str(run.configured(["--configfile", *names, "--config", "experiment=c"]).results) == "results/c"
    assert str(run.configured(["--configfile", *names, "--config", "experiment="]).results) == "results"


def test_gpt2_by_an_overlay_works_with_null(overlay):
    text = "model: {architecture: gpt2, settings: {intermediate_size: null, n_inner: 256}}\n"
    found = merged.configuration([Path(overlay(text))])
    assert found.model.settings["n_inner"] == 256
    assert "intermediate_size" not in found.model.settings


def test_a_number_is_a_number_everywhere(overlay):
    text = "model: {settings: {initializer_range: 1e-3}}\nevidence: {threshold: 2e-1}"
    found = merged.configuration([Path(overlay(text))])
    assert found.model.settings["initializer_range"] == 0.001
    assert found.evidence.threshold == 0.2


@pytest.fixture
def started(overlay, monkeypatch):
    """The commands that a run starts, in place of starting them."""
    commands = []
    monkeypatch.setattr(run, "call", lambda command, lock, *given: commands.append(list(command)) or 0)
    return commands


def test_jobs_are_forked_on_this_machine_alone(started, monkeypatch):
    seen = []

    def call(command, lock, variables):
        folders = [Path(folder) for folder in variables.values()]
        assert all((folder / "python").exists() for folder in folders)
        seen.append(folders)
        return 0

    monkeypatch.setattr(run, "call", call)
    for words in ([], ["--cold"], ["--profile", "slurm"]):
        assert program.main(["run", "--no-summary", *words]) == 0
    assert [len(folders) for folders in seen] == [1, 0, 0]
    # Nothing is left.
    assert not seen[0][0].exists()


def test_what_is_not_ours_goes_to_snakemake_in_its_order(started):
    words = ["evidence", "-n", "--config", "experiment=own", "--forcerun", "scores", "tokens", "--cores", "2"]
    assert program.main(["run", "--no-summary", *words]) == 0
    assert started == [[*run.SNAKEMAKE, *run.PROFILE, *words]]


def test_a_profile_takes_the_place_of_ours(started):
    for words in (["--profile", "slurm"], ["--profile=slurm"]):
        assert program.main(["run", *words]) == 0
        assert started.pop() == [*run.SNAKEMAKE, *words]


def test_verbose_is_snakemakes(started):
    assert program.main(["run", "--verbose"]) == 0
    assert started == [[*run.SNAKEMAKE, *run.PROFILE, "--verbose"]]


def test_the_lock_of_a_killed_run_is_taken_away_first(started):
    run.STATE.mkdir()
    (run.STATE / "run.unfinished").touch()
    assert program.main(["run", "-n"]) == 0
    assert ["--unlock" in command for command in started] == [True, False]
    assert not (run.STATE / "run.unfinished").exists()


def test_a_finished_run_is_summarized(started):
    usage = Path("results/benchmarks/usage.csv")
    usage.parent.mkdir(parents=True)
    usage.touch()
    assert program.main(["run"]) == 0
    assert started[-1][-2:] == ["summary", "results"]
    assert program.main(["run", "--no-summary"]) == 0
    assert len(started) == 3


def test_ctrl_c_is_left_to_snakemake_which_is_awaited(tmp_path):
    """A terminal tells both; Snakemake may wait for jobs, and must not be killed meanwhile."""
    program = (
        "import os, pathlib, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "os.kill(os.getppid(), signal.SIGINT); time.sleep(1); pathlib.Path('ended').touch()"
    )
    command = [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r}); {program}"]
    with (tmp_path / "lock").open("w") as lock, pytest.raises(KeyboardInterrupt):
        run.call(command, lock)
    assert (tmp_path / "ended").exists()
    with (tmp_path / "lock").open("w") as lock:
        assert run.call([sys.executable, "-c", "raise SystemExit(3)"], lock) == 3


def test_jobs_share_a_gpu_as_suits_the_model_unless_told(monkeypatch):
    config = run.configured([])
    monkeypatch.delenv(gpus.JOBS_PER_GPU, raising=False)
    monkeypatch.setattr(gpus, "memory", lambda: 0.0)
    monkeypatch.setattr(gpus, "found", list)
    assert run.shared_gpus(config, None, profile=False) == {}
    with pytest.raises(UserError, match="--jobs-per-gpu: no GPU was found"):
        run.shared_gpus(config, 3, profile=False)
    monkeypatch.setattr(gpus, "found", lambda: ["GPU-a"])
    monkeypatch.setattr(gpus, "memory", lambda: 80e9)
    assert run.shared_gpus(config, None, profile=False) == {gpus.JOBS_PER_GPU: str(gpu_sharing.MOST)}
    assert run.shared_gpus(config, 3, profile=False) == {gpus.JOBS_PER_GPU: "3"}
    monkeypatch.setenv(gpus.JOBS_PER_GPU, "2")
    assert run.shared_gpus(config, None, profile=False) == {gpus.JOBS_PER_GPU: "2"}
    assert run.shared_gpus(config, None, profile=True) == {}
    with pytest.raises(UserError, match="--jobs-per-gpu: is for runs without --profile"):
        run.shared_gpus(config, 3, profile=True)
