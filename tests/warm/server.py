"""A Python that has imported the large packages already, for the workflow's many short processes.

A step that uses torch imports for seconds before it works for a tenth of one. A server imports once and then
forks: `python`, in the server's folder, hands its arguments, folder, environment and standard streams over,
and ends as the forked process ended. The project's own code is not among what is imported before: every
process reads it anew.

Jobs on SLURM are ordinary processes.

    python -m warm.server FOLDER        # makes FOLDER/python and FOLDER/socket
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
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

IMPORTED = (
    "torch",
    "transformers.models.gpt_neox.modeling_gpt_neox",
    "pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "kronfluence",
    "tokenizers",
    "matplotlib.pyplot",
    "snakemake.cli",
)
CLIENT = Path(__file__).with_name("client.py")
# A step has one thread, as Snakemake tells it to.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}


@contextlib.contextmanager
def warm(folder: Path, **variables: str) -> Iterator[Path]:
    """The path of a warm `python`, which works until the block ends.

    `variables` are of the environment and read when packages are imported (as those of huggingface_hub).
    """
    folder.mkdir(parents=True)
    environment = {**os.environ, **ONE_THREAD, **variables, "PYTHONPATH": str(Path(__file__).parents[1])}
    # A test run that is killed leaves no server.
    bound = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    command = [*bound, sys.executable, "-m", "warm.server", str(folder)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n", "the warm Python did not start"
        yield folder / "python"
    finally:
        process.kill()
        process.wait()


def make_client(folder: Path) -> None:
    """An executable that starts quickly: no site packages, no environment."""
    path = folder / "python"
    text = CLIENT.read_text().replace("SOCKET", str(folder / "socket")).replace("PYTHON", sys.executable)
    path.write_text(f"#!{sys.executable} -ISE\n{text}")
    path.chmod(0o755)
    # The other programs of the environment, as beside a real `python`.
    for program in Path(sys.executable).parent.iterdir():
        if not program.name.startswith("python"):
            (folder / program.name).symlink_to(program)


def serve(folder: Path) -> None:
    """Fork a keeper for each client, until killed."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen(64)
    # The system collects keepers that have ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            keep(client, folder / "python")
        client.close()


def keep(client: socket.socket, python: Path) -> None:
    """Fork the process that the client asks for, and tell the client how it ended; never returns."""
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
    client.sendall(struct.pack("i", process))
    ended = os.pidfd_open(process)
    ready, _, _ = select.select([ended, client], [], [])
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
    for _, _, data in ancillary:
        streams.frombytes(data)
    length, text = struct.unpack("I", size)[0], b""
    while len(text) < length:
        text += client.recv(length - len(text))
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
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        os._exit(status)


def run(arguments: list[str]) -> int:
    """What `python` does with these arguments; returns the exit status."""
    own = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    # The interpreter that runs now got its own first two: the folder and PYTHONPATH.
    sys.path[:] = [*own, *sys.path[2:]]
    importlib.invalidate_caches()
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        return 1
    return 0


def main(folder: Path) -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    assert "mda" not in sys.modules
    # What is shared is not copied by a collection in each process.
    gc.collect()
    gc.freeze()
    make_client(folder)
    serve(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
