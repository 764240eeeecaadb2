"""What `python` is for steps while a warm Python is at work (`mda.runtime.warm_python`).

It hands over what it is asked for, and ends as the forked process ends. Where no warm process can stand for
an ordinary one, it becomes the ordinary one. It starts quickly: it imports little, and no package.

    python -ISE warm_client.py SOCKET ARGUMENT...
"""

import json
import os
import signal
import socket
import struct
import sys


def ordinary(arguments):
    """Become the Python that runs this file."""
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606


def connected(place, arguments):
    """A server that will fork for these arguments; None where an ordinary process has to do."""
    # A fork has the packages' threads as they were made: one.
    if os.environ.get("OMP_NUM_THREADS", "1") != "1":
        return None
    if not arguments or (arguments[0].startswith("-") and arguments[0] != "-m"):
        return None
    server = socket.socket(socket.AF_UNIX)
    try:
        # A socket's name has a hundred letters at most, and a folder's more.
        folder = os.open(os.path.dirname(place), os.O_PATH)  # noqa: PTH120
        server.connect(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
        return server if server.recv(1) == b"r" else None
    except OSError:
        # It ended, or belongs to another machine.
        return None


def tell(kill, process, number):
    """Pass a signal on; of a process that has ended meanwhile the server is about to say how."""
    # contextlib is slow to import.
    try:  # noqa: SIM105
        kill(process, number)
    except ProcessLookupError:
        pass


def stop(process):
    """Ctrl-Z: stop what was forked, then this."""
    tell(os.killpg, process, signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGSTOP)


def told(server, process=None):
    """A number from the server; where it was killed, the end of what was forked and of this."""
    answer = server.recv(4)
    if len(answer) < 4:
        if process is not None:
            tell(os.killpg, process, signal.SIGKILL)
        sys.exit("error: the process that watched this job was killed; run the same command again")
    return struct.unpack("i", answer)[0]


def main(place, *arguments):
    """Run what `python ARGUMENT...` runs; never returns."""
    server = connected(place, arguments)
    if server is None:
        ordinary(arguments)
    # pathlib is slow to import.
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    text = json.dumps(request).encode()
    socket.send_fds(server, [struct.pack("I", len(text))], [0, 1, 2])
    server.sendall(text)
    process = told(server)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda number, frame: tell(os.kill, process, number))
    signal.signal(signal.SIGTSTP, lambda number, frame: stop(process))
    signal.signal(signal.SIGCONT, lambda number, frame: tell(os.killpg, process, signal.SIGCONT))
    status = told(server, process)
    if status < 0:
        # These two cannot be handled, nor need they be.
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


main(*sys.argv[1:])
