"""Serve the pages of finished results, to look at them from another machine.

On this machine every page opens by a double click. Where the results lie on a cluster, this saves copying
them: it serves the folder until Ctrl-C, to this machine alone. The address has a secret in it, so that other
users of the machine cannot read the results.
"""

from __future__ import annotations

import argparse
import functools
import secrets
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mda.commands import results_folder
from mda.runtime.errors import UserError

EXAMPLES = """\
examples:
  mda browse results/mine
  ssh -L 8765:127.0.0.1:8765 CLUSTER      on your own machine; then open there what mda browse prints
"""

# The pages of a folder of results, each with what it is.
PAGES = {
    "report.html": "the report",
    "evidence.html": "the report of the studies",
    "samples/index.html": "the samples of highest and lowest influence",
    "samples/all/index.html": "all samples",
    "samples/checkpoints/index.html": "all samples, at several checkpoints",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    results_folder.add(parser)
    parser.add_argument(
        "--port", type=int, default=8765, help="port to serve at; 8765 without, 0 for a free one"
    )


def main(given: argparse.Namespace) -> int:
    """Serve until Ctrl-C; returns the exit status.

    Raises:
        UserError: when the folder has no page, or the port cannot be had.
    """
    found = [page for page in PAGES if (given.results / page).is_file()]
    if not found:
        raise UserError(
            f"{given.results}: has none of the pages, such as report.html; make them with mda run, or name a "
            "folder of results"
        )
    with server(given.results, given.port) as serving:
        for page in found:
            print(f"{PAGES[page]}: {serving.address}{page}")
        print("\nCtrl-C ends it", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print("ended")
    return 0


class Server(ThreadingHTTPServer):
    """Serves a folder to this machine.

    Attributes:
        address: the URL of the folder.
    """

    daemon_threads = True
    address: str

    def handle_error(self, request, client_address) -> None:
        """A browser that leaves amid an answer is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def server(folder: Path, port: int) -> Server:
    """A server of a folder, at `port` or, for 0, at any that is free.

    Raises:
        UserError: when the port cannot be had.
    """
    secret = secrets.token_urlsafe(12)
    handler = functools.partial(_Handler, secret=secret, directory=str(folder.resolve()))
    try:
        serving = Server(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise UserError(f"port {port} cannot be had ({error}); name another with --port") from None
    # The number, as at the name `localhost` another user may listen, by IPv6, and be sent the secret.
    serving.address = f"http://127.0.0.1:{serving.server_port}/{secret}/"
    return serving


class _Handler(SimpleHTTPRequestHandler):
    """Files of the folder below the secret, and nothing else."""

    # Connections stay open: a search reads thousands of files.
    protocol_version = "HTTP/1.1"
    # Seconds after which a connection without a request is closed; the browser opens another.
    timeout = 60

    def __init__(self, *arguments: object, secret: str, **settings: object) -> None:
        self.secret = f"/{secret}/"
        super().__init__(*arguments, **settings)  # type: ignore[arg-type]

    def send_head(self):
        """With the secret the files of the folder, and neither lists nor redirects; without it nothing."""
        given = self.path.partition("?")[0]
        if not secrets.compare_digest(given[: len(self.secret)].encode(), self.secret.encode()):
            self.send_error(404)
            return None
        self.path = given[len(self.secret) - 1 :]
        if not self._is_a_file_of_the_folder():
            self.send_error(404)
            return None
        return super().send_head()

    def _is_a_file_of_the_folder(self) -> bool:
        """Whether the path is that of a file, and leads out of the folder by no link."""
        try:
            file = Path(self.translate_path(self.path)).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            # There is none, links lead in a circle, or no file can have this name.
            return False
        return file.is_file() and file.is_relative_to(self.directory)

    def end_headers(self) -> None:
        """What is made anew is read anew."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *arguments: object) -> None:
        """Of each request nothing is told."""
