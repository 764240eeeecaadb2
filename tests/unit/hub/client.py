"""Programs that take the loopback server for the hub."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from loopback import Hub
from project import ROOT

from mda.hub.pins import Pin

MEGABYTE = 10**6


MODEL = "own/model"


STEP = "mda.steps.hub.checkpoint"
SHARDED = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]


# What every program begins with. Waiting is noted, not done.
BEGIN = """
import json, logging, sys, time
from pathlib import Path
waits = []
time.sleep = waits.append
logging.basicConfig(level=logging.INFO)
from mda.hub import downloads, pins
from mda.runtime.errors import UserError

def said(call, *arguments):
    try:
        return f"no error: {call(*arguments)}"
    except UserError as error:
        return str(error)

pin = pins.Pin.model_validate_json(sys.argv[1])
out = Path(sys.argv[2])
answer = {}
"""


class Client:
    """Programs of one Python, `program`, that take the loopback server for the hub, with one cache."""

    def __init__(self, server: Hub, folder: Path, program: str) -> None:
        self.server, self.home, self.out = server, folder / "home", folder / "out"
        self.program = program

    def environment(self, **more: str) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        paths = {"PYTHONPATH": str(ROOT / "workflow"), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**clean, **paths, **self.server.environment(self.home), **more}

    def python(self, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=self.environment(**more),
        )

    def run(self, program: str, pin: Pin, **more: str) -> dict:
        """What the program left in `answer`, and how long it would have waited."""
        end = "\nprint(json.dumps({**answer, 'waits': waits}))"
        source = self.out.with_name("program.py")
        source.write_text(BEGIN + program + end)
        done = self.python(source, pin.model_dump_json(), self.out, **more)
        assert done.returncode == 0, done.stderr
        return {**json.loads(done.stdout.splitlines()[-1]), "log": done.stderr}

    @property
    def cached(self) -> list[Path]:
        return [path for path in self.home.glob("hub/*/blobs/*") if path.is_file()]


def pinned(server: Hub, files: dict[str, bytes], revision: str = "step0", repository: str = MODEL) -> Pin:
    """Files on the server, and their true pin."""
    import hashlib

    commit = server.add("model", repository, revision, files)
    lines = [
        {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]
    values = {"kind": "model", "repository": repository, "revision": revision}
    return Pin.model_validate({**values, "commit": commit, "files": lines})


FETCH = "downloads.fetch(pin, None, out)"


SAY = "answer['said'] = said(downloads.fetch, pin, None, out)"


def small(name: str = "a") -> dict[str, bytes]:
    return {"config.json": b'{"x": 1}', f"{name}.safetensors": name.encode() * 5000}
