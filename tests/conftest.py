"""What the tests share: small models, the default configuration, and one finished tiny project."""

from __future__ import annotations

import contextlib
import copy
import gc
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml
from budget import Budget
from filelock import FileLock
from project import ROOT, Project

from mda.config import sections
from mda.runtime import warm_python as warm_pythons

if TYPE_CHECKING:
    from transformers import GPTNeoXForCausalLM

# Tests start the program hundreds of times, which would compile all of it each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Small models are slower on many threads, and results vary a little with their number.
torch.set_num_threads(1)

# A shell starts what it puts into the background deaf to Ctrl-C, and all its children are. Tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What it imports when a test first needs it; tests run Snakemake in it too.
WARM = (*warm_pythons.OF_STEPS, "kronfluence", "snakemake.cli")

# The longest first, and files of seconds last, so that workers end together.
FOLDERS = ("slurm", "workflow", "browser", "unit")


# The warm Python of all workers; it belongs to the process that reports, which ends last.
WARM_PYTHON = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(Budget(config.getoption("numprocesses", None) or 1))
    stack = contextlib.ExitStack()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    config.stash[WARM_PYTHON] = stack.enter_context(warm_pythons.started(folder, os.environ, WARM))
    config.add_cleanup(stack.close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["warm_python"] = str(node.config.stash[WARM_PYTHON])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FOLDERS.index(item.path.relative_to(Path(__file__).parent).parts[0]))


def pytest_collection_finish() -> None:
    """A collection of garbage looks only at what tests make, not at all tests and libraries again."""
    gc.collect()
    gc.freeze()


NUMERICS = sections.Numerics(attention="eager", training="fp32", attribution="fp32", acceleration="auto")
OPTIMIZER = sections.Optimizer(
    learning_rate=0.01,
    schedule="constant",
    warmup_steps=2,
    decay_steps=None,
    minimum_ratio=0.1,
    betas=(0.9, 0.95),
    epsilon=1e-8,
    weight_decay=0.01,
    clip=1.0,
)


@pytest.fixture(scope="session")
def _config_yaml() -> dict[str, Any]:
    """Read once: it takes a twentieth of a second, and hundreds of tests begin with it."""
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.fixture
def default(_config_yaml) -> dict[str, Any]:
    """The configuration of the default experiment, unchecked; a test may change it."""
    return copy.deepcopy(_config_yaml)


@pytest.fixture
def override(default):
    """Return the default with the value at a dotted path replaced."""

    def change(path: str, value: Any) -> dict[str, Any]:
        config = copy.deepcopy(default)
        *parents, last = path.split(".")
        section = config
        for key in parents:
            section = section[int(key)] if isinstance(section, list) else section[key]
        section[int(last) if isinstance(section, list) else last] = value
        return config

    return change


def tiny_model(seed: int = 0, dtype: torch.dtype = torch.float32) -> GPTNeoXForCausalLM:
    """Two layers of two heads of eight dimensions, with weights large enough to matter."""
    # The process that reports makes none, and importing takes seconds.
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(seed)
    settings = GPTNeoXConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.3,
        attn_implementation="eager",
    )
    model = GPTNeoXForCausalLM(settings)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    return model.to(dtype).eval()


class Store:
    """A token store in memory."""

    def __init__(self, tokens: np.ndarray) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self.tokens[rows].astype(np.int64)


@pytest.fixture
def store() -> Store:
    return Store(np.random.default_rng(0).integers(0, 20, (13, 12)))


@pytest.fixture(scope="session")
def warm_python(request) -> str:
    """A Python that has imported torch and Snakemake already; all workers share it."""
    if hasattr(request.config, "workerinput"):
        python = Path(request.config.workerinput["warm_python"])
    else:
        python = request.config.stash[WARM_PYTHON]
    waited = time.monotonic()
    # It never does if an import opened a GPU: then its processes are ordinary ones.
    while not answers(python.with_name("socket")) and time.monotonic() - waited < 120:
        time.sleep(0.1)
    return str(python)


def answers(server: Path) -> bool:
    """Whether a warm Python forks already; who asks makes it import."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(server))
        return asking.recv(1) == b"r"


@pytest.fixture(scope="session")
def finished(warm_python, tmp_path_factory, request) -> Project:
    """A tiny project, run once from nothing to the report; all workers share it, so change copies."""
    place = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        place = place.parent
    project = Project(place / "finished", warm_python)
    with FileLock(place / "finished.lock"):
        output = project.folder / "output.txt"
        if not output.exists():
            Project.make(project.folder)
            done = project.make_all()
            assert done.returncode == 0, done.stdout[-6000:]
            output.write_text(done.stdout)
    return project
