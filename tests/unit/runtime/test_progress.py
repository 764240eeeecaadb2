"""Progress of a pass: at times and at the end, with rate and time left."""

import logging

from mda.runtime import progress


def test_lines_at_times_and_at_the_end(monkeypatch, caplog):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    caplog.set_level(logging.INFO)
    passed = progress.Progress("scored", 100)
    for _ in range(10):
        now[0] += 10
        passed.advance(10)
    assert caplog.messages == [
        "scored 30 of 100 samples, 1.0 samples/s, 70 s left",
        "scored 60 of 100 samples, 1.0 samples/s, 40 s left",
        "scored 90 of 100 samples, 1.0 samples/s, 10 s left",
        "scored 100 of 100 samples, 1.0 samples/s, 0 s left",
    ]
