"""`mda browse`: it serves the files of one folder, to those who know its address."""

import contextlib
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from project import ROOT

from mda.commands import browse, program
from mda.runtime.errors import UserError


@pytest.fixture
def results(tmp_path):
    """A folder of results, and a file outside of it."""
    (tmp_path / "secret.html").write_text("outside")
    folder = tmp_path / "results"
    (folder / "samples" / "all").mkdir(parents=True)
    (folder / "report.html").write_text("a report")
    (folder / "samples" / "all" / "index.html").write_text("all samples")
    (folder / "out.html").symlink_to(tmp_path / "secret.html")
    (folder / "circle.html").symlink_to("circle.html")
    return folder


@contextlib.contextmanager
def running(folder):
    """A server that runs."""
    with browse.server(folder, 0) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield found
        finally:
            found.shutdown()
            thread.join()


@pytest.fixture
def serving(results):
    with running(results) as found:
        yield found


def status(address):
    """The status of an answer, and its text."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, None


def test_it_serves_the_files_below_its_address(serving):
    assert status(f"{serving.address}report.html") == (200, "a report")
    assert status(f"{serving.address}samples/all/index.html?x#y") == (200, "all samples")


@pytest.mark.parametrize(
    "path",
    [
        "report.html",
        "a-wrong-secret/report.html",
        "{}../secret.html",
        "{}%2e%2e/secret.html",
        "{}samples/",
        "{}samples",
        "{}/evil.example/..",
        "{}%00",
        "{}%ed%a0%80",
        "{}report.html/",
        "{}out.html",
        "{}circle.html",
        "{}",
    ],
)
def test_nothing_else_is_served(serving, path):
    root = f"http://127.0.0.1:{serving.server_port}/"
    # Lists of folders neither, and nothing is redirected.
    assert status(root + path.format(serving.address.removeprefix(root)))[0] == 404


def test_the_folder_may_be_a_link_and_hold_links_of_its_own(results, tmp_path):
    (results / "again.html").symlink_to("report.html")
    (tmp_path / "link").symlink_to(results)
    with running(tmp_path / "link") as serving:
        assert status(f"{serving.address}report.html") == (200, "a report")
        assert status(f"{serving.address}again.html") == (200, "a report")


def test_a_browser_that_leaves_is_not_told(serving, results, capsys):
    # More than the buffers of a connection hold.
    with (results / "large.bin").open("wb") as file:
        file.truncate(64 * 2**20)
    before = threading.active_count()
    with socket.create_connection(serving.server_address) as connection:
        # Closing resets the connection.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        secret = serving.address.split("/")[-2]
        connection.sendall(f"GET /{secret}/large.bin HTTP/1.1\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"
    end = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before
    assert capsys.readouterr().err == ""


def test_other_errors_are_told(serving, capsys):
    try:
        raise ValueError("a fault")
    except ValueError:
        serving.handle_error(None, ("127.0.0.1", 1))
    assert "a fault" in capsys.readouterr().err


def test_it_answers_this_machine_alone(serving):
    assert serving.server_address[0] == "127.0.0.1"


def test_what_is_printed_has_no_name_of_a_machine_to_look_up(serving):
    # At `localhost` another user may listen by IPv6.
    assert serving.address.startswith("http://127.0.0.1:")
    page = (ROOT / "docs" / "how-to" / "everyday.md").read_text()
    for text in (browse.EXAMPLES, page):
        assert "ssh -L 8765:127.0.0.1:8765" in text
        assert "localhost" not in text


def test_a_port_that_is_taken_is_told(serving, results):
    with pytest.raises(UserError, match=r"^port \d+ cannot be had \(.*in use\); name another with --port$"):
        browse.server(results, serving.server_port)
    with pytest.raises(UserError, match=r"^port 99999 cannot be had"):
        browse.server(results, 99999)


def test_a_folder_without_pages_is_told(tmp_path, capsys):
    assert program.main(["browse", str(tmp_path)]) == 1
    assert "has none of the pages, such as report.html" in capsys.readouterr().err


def test_the_command_names_the_pages_that_there_are_and_ends_by_ctrl_c(results):
    command = [sys.executable, ROOT / "workflow" / "mda", "browse", results, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        assert status(lines[0].split()[-1]) == (200, "a report")
        assert lines[1].startswith("all samples: http://127.0.0.1:")
        process.send_signal(2)
        assert process.stdout.read() == "ended\n"
    assert process.returncode == 0
