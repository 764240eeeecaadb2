"""Run the workflow on this machine, from start to report: `make demo` and its like.

Does what one would do by hand: `snakemake --profile profiles/local`, then `--report`, then a look
at the main numbers. Beyond that it takes away a lock that a killed run left behind, which it
may do because it holds a lock of its own that the system releases when a process dies.
Further arguments go to Snakemake.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import yaml

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--profile", "profiles/local"]
QUIET = ["--quiet", "rules", "host", "reason"]


def main(arguments: list[str]) -> int:
    """Run, report, summarize; returns the exit status of the first part that fails."""
    state = Path(".snakemake")
    state.mkdir(exist_ok=True)
    with (state / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another run is at work in this folder; wait for it or stop it first", file=sys.stderr)
            return 1
        if any((state / "locks").glob("*")):
            subprocess.run([*SNAKEMAKE, "--unlock", "--quiet", "all", *arguments], check=False)
        status = subprocess.run([*SNAKEMAKE, *QUIET, *arguments], check=False).returncode
        if status:
            return status
        results = results_folder(arguments)
        report = results / "report.html"
        if outdated(report, results):
            command = [*SNAKEMAKE, "--quiet", "all", *arguments, "--report", str(report)]
            status = subprocess.run(command, check=False).returncode
            if status:
                return status
        return subprocess.run([sys.executable, "workflow/summary.py", str(results)], check=False).returncode


def results_folder(arguments: list[str]) -> Path:
    """Folder of the results of the configuration that the arguments name."""
    name = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))["experiment"]
    if "--configfile" in arguments:
        for path in arguments[arguments.index("--configfile") + 1 :]:
            if path.startswith("-"):
                break
            overlay = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
            name = overlay.get("experiment", name)
    return Path("results") if name is None else Path("results") / name


def outdated(report: Path, results: Path) -> bool:
    """Whether some result or caption is newer than the report."""
    if not report.is_file():
        return True
    parts = [
        *results.glob("figures/**/*.*"),
        *results.glob("tables/*"),
        *Path("workflow/report").glob("*"),
    ]
    return max(part.stat().st_mtime for part in parts) > report.stat().st_mtime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
