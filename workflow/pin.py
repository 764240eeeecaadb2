"""Pin what an experiment takes from the hub: `make pin EXPERIMENT=experiments/pythia-14m.yaml`.

Asks the hub for the commit of every revision that the configuration names and for the size and
SHA-256 of its files, and adds them to workflow/pins.csv, which belongs into git.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from mda.config.experiment import Config
from mda.hub import downloads, pins
from mda.hub.pins import Pin
from mda.runtime.errors import UserError
from merged import configuration


def main(arguments: list[str]) -> int:
    """Pin; returns the exit status."""
    parser = argparse.ArgumentParser(prog="pin.py", description=__doc__)
    parser.add_argument("experiment", nargs="*", type=Path, help="overlays of config.yaml, in order")
    parser.add_argument("--update", action="store_true", help="take the new commit of a revision that moved")
    parser.add_argument("--table", type=Path, default=pins.TABLE)
    known = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        pin_all(configuration(known.experiment), known.table, known.update)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def pin_all(config: Config, table: Path, update: bool) -> None:
    """Pin all references of a configuration; the table changes at the end or not at all.

    Raises:
        UserError: when the hub cannot be asked, a pinned revision changed, or two have equal weights.
    """
    known = {pin.key: pin for pin in pins.read(table)}
    before = dict(known)
    for kind, repository, revision, wanted in pins.references(config):
        new = downloads.resolve(kind, repository, revision, wanted)
        old = known.get(new.key)
        known[new.key] = new if old is None else joined(old, new, update)
        print(described(old, known[new.key]))
    if known == before:
        print(f"{table}: nothing to change")
        return
    pins.write(table, list(known.values()))
    print(f"{table}: {len(known)} revisions; commit it")


def joined(old: Pin, new: Pin, update: bool) -> Pin:
    """A pin with the files that were not pinned yet; with `update`, the new one of a changed revision.

    Raises:
        UserError: when the revision changed.
    """
    pinned = {file.name: file for file in old.files}
    changed = [file.name for file in new.files if pinned.get(file.name, file) != file]
    if old.commit == new.commit and not changed:
        added = tuple(file for file in new.files if file.name not in pinned)
        return old.model_copy(update={"files": old.files + added})
    if update:
        return new
    what = f"is now commit {new.commit}" if old.commit != new.commit else f"has another {changed[0]}"
    raise UserError(
        f"{new.repository} at {new.revision}: is pinned at commit {old.commit}, but on the hub it {what}; "
        "keep the pin, which can still be fetched, or take the new one with UPDATE=1 (--update)"
    )


def described(old: Pin | None, pin: Pin) -> str:
    """One line for people."""
    size = sum(file.bytes for file in pin.files) / 1e6
    what = "pinned" if old is None else "unchanged" if old == pin else "changed"
    dropped = sorted(set(old.names if old else []) - set(pin.names))
    return (
        f"{what:9} {pin.kind} {pin.repository} {pin.revision}: commit {pin.commit[:12]}, "
        f"{len(pin.files)} files, {size:,.1f} MB"
        + (f"; no longer pinned: {', '.join(dropped)}" if dropped else "")
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped; nothing was changed")
