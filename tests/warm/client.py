"""The warm `python`: hands what it is asked for to the server, and ends as the forked process ends."""

import json
import os
import signal
import socket
import struct
import sys

arguments = sys.argv[1:]
if not arguments or (arguments[0].startswith("-") and arguments[0] != "-m"):
    os.execv("PYTHON", ["PYTHON", *arguments])
server = socket.socket(socket.AF_UNIX)
server.connect("SOCKET")
request = {
    "arguments": arguments,
    "folder": os.getcwd(),  # noqa: PTH109, pathlib is slow to import
    "environment": dict(os.environ),
}
text = json.dumps(request).encode()
socket.send_fds(server, [struct.pack("I", len(text))], [0, 1, 2])
server.sendall(text)
[process] = struct.unpack("i", server.recv(4))
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCONT):
    signal.signal(number, lambda number, frame: os.kill(process, number))
[status] = struct.unpack("i", server.recv(4))
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
