"""A Python that has imported the large packages already, for a workflow's many short processes.

Importing torch and transformers takes seconds, and many a step then works for less. A server imports them
once and forks: `python`, in the server's folder, hands its arguments, folder, environment and standard
streams over, and ends as the forked process ended. The project's own code is not among what is imported
before, so every process reads it anew.

The server imports when it is first asked; until it has done so, if an import opened a GPU, and wherever a
fork would not do (`warm_client.py`), processes are ordinary ones. It ends with the process that started it.

    python -P warm_python.py FOLDER PACKAGE...        # makes FOLDER/python and FOLDER/socket
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# What steps import that takes long.
OF_STEPS = (
    "torch",
    "transformers.models.gpt_neox.modeling_gpt_neox",
    "pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "tokenizers",
    "matplotlib.pyplot",
    "pydantic",
)
# Device files of NVIDIA's driver, of its stand-in under Windows, and of AMD's.
GPU_DEVICES = ("/dev/nvidia", "/dev/dxg", "/dev/kfd")
WHILE_IMPORTING = {
    # Libraries of matrix products make their threads when they are loaded.
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
    # Who asks whether there is a GPU does not open it.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}


@contextlib.contextmanager
def started(
    folder: Path,
    environment: Mapping[str, str],
    packages: Sequence[str] = OF_STEPS,
    *,
    now: bool = False,
) -> Iterator[Path]:
    """The path of a warm `python`, which works until the block ends.

    Args:
        folder: a new folder that only this user can read.
        environment: what packages read when they are imported (as huggingface_hub does).
        packages: modules to import.
        now: import before the block begins, not when it is first asked.

    Raises:
        RuntimeError: when it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A process that is forked gets a path of modules of its own.
    without_path = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-P", __file__, str(folder), "now" if now else "later", *packages]
    with subprocess.Popen(
        command,
        env={**without_path, **WHILE_IMPORTING},
        # It ends when this is closed, also by a kill.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for the jobs.
        start_new_session=True,
    ) as server:
        assert server.stdout is not None
        try:
            if server.stdout.readline() != "ready\n":
                raise RuntimeError(f"the warm Python in {folder} did not start")
            yield folder / "python"
        finally:
            server.kill()


def make_client(folder: Path) -> None:
    """An executable `python`, and beside it the other programs of the environment."""
    client = Path(__file__).with_name("warm_client.py")
    words = [sys.executable, "-ISE", str(client), str(folder / "socket")]
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    for program in Path(sys.executable).parent.iterdir():
        if not program.name.startswith("python"):
            (folder / program.name).symlink_to(program)


class Packages(threading.Thread):
    """Imports them, beside the server's answers."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.names, self.imported = names, False

    def run(self) -> None:
        """Import them, and say so if processes may be forked then."""
        for name in self.names:
            importlib.import_module(name)
        # What is shared is not copied by a collection in each process.
        gc.collect()
        gc.freeze()
        self.imported = not holds_gpu()


def holds_gpu(files: Path = Path("/proc/self/fd")) -> bool:
    """Whether this process has opened a GPU, which no process that is forked from it could use.

    It has the GPU's device files open then. Libraries of the driver that are only loaded do no harm.
    """
    for file in files.iterdir():
        # One may be closed meanwhile.
        with contextlib.suppress(OSError):
            if str(file.readlink()).startswith(GPU_DEVICES):
                return True
    return False


def serve(folder: Path, packages: Packages) -> None:
    """Fork a keeper for each client, until the process that started this one has ended."""
    listener = socket.socket(socket.AF_UNIX)
    # A socket's name has a hundred letters at most, and a folder's more.
    place = os.open(folder, os.O_PATH)
    listener.bind(f"/proc/self/fd/{place}/socket")
    listener.listen(64)
    # The system collects keepers that have ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            os._exit(0)
        client, _ = listener.accept()
        if not packages.imported:
            if packages.ident is None:
                packages.start()
            client.close()
        elif os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            keep(client, folder / "python")
        client.close()


def keep(client: socket.socket, python: Path) -> None:
    """Fork the process that the client asks for, and tell the client how it ended; never returns."""
    with contextlib.suppress(OSError):
        client.sendall(b"r")
    request, streams = receive(client)
    process = os.fork()
    if process == 0:
        client.close()
        os.setpgid(0, 0)
        become(request, streams, python)
    with contextlib.suppress(OSError):
        os.setpgid(process, process)
    for stream in streams:
        os.close(stream)
    with contextlib.suppress(OSError):
        client.sendall(struct.pack("i", process))
    ended = os.pidfd_open(process)
    ready, _, _ = select.select([ended, client.fileno()], [], [])
    if ended not in ready:
        # Who kills a group of processes kills clients; what they stand for dies with them.
        os.killpg(process, signal.SIGKILL)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with contextlib.suppress(OSError):
        client.sendall(struct.pack("i", status))
    os._exit(0)


def receive(client: socket.socket) -> tuple[dict, list[int]]:
    """What a client asks for, and its standard streams."""
    streams = array.array("i")
    size, ancillary, _, _ = client.recvmsg(4, socket.CMSG_SPACE(3 * streams.itemsize))
    if not size:
        # The client was killed.
        os._exit(1)
    for _, _, data in ancillary:
        streams.frombytes(data)
    length, text = struct.unpack("I", size)[0], b""
    while len(text) < length:
        part = client.recv(length - len(text))
        if not part:
            os._exit(1)
        text += part
    return json.loads(text), list(streams)


def become(request: dict, streams: list[int], python: Path) -> None:
    """Be the process that the client's arguments ask for; never returns."""
    status = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.executable = str(python)
        status = run(request["arguments"])
    finally:
        # What an interpreter does at its end, without taking down what is the server's.
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        for output in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                output.flush()
        os._exit(status)


def run(arguments: list[str]) -> int:
    """What `python` does with these arguments; returns the exit status."""
    own = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = own
    importlib.invalidate_caches()
    safe = bool(os.environ.get("PYTHONSAFEPATH"))
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            if not safe:
                sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            if not safe:
                sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def main(folder: str, when: str, *names: str) -> None:
    """Serve, once the packages are imported or from now on."""
    packages = Packages(names)
    if when == "now":
        packages.run()
    make_client(Path(folder))
    serve(Path(folder), packages)


if __name__ == "__main__":
    main(*sys.argv[1:])
