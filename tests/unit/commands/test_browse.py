"""`mda browse`: it serves the files of one folder, to those who know its address."""

import subprocess
import sys
import threading
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
    return folder


@pytest.fixture
def serving(results):
    with browse.server(results, 0) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def status(address):
    """The status of an answer, and its text."""
    try:
        with urllib.request.urlopen(address) as answer:
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
        "{}",
    ],
)
def test_nothing_else_is_served(serving, path):
    root = f"http://localhost:{serving.server_port}/"
    # Lists of folders neither.
    assert status(root + path.format(serving.address.removeprefix(root)))[0] == 404


def test_it_answers_this_machine_alone(serving):
    assert serving.server_address[0] == "127.0.0.1"


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
        assert lines[1].startswith("all samples: http://localhost:")
        process.send_signal(2)
        assert process.stdout.read() == "ended\n"
    assert process.returncode == 0
