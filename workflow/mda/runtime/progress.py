"""Progress of a pass over samples, in the job's log."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)

# Seconds between two lines.
EVERY = 30.0


class Progress:
    """Logs how many of `total` samples are done, the rate and the time that is left."""

    def __init__(self, what: str, total: int) -> None:
        """Begin to count; `what` names the pass, such as 'scored'."""
        self.what, self.total = what, total
        self.done = 0
        self.began = self.told = time.monotonic()

    def advance(self, samples: int) -> None:
        """Count samples, and tell at times and at the end."""
        self.done += samples
        now = time.monotonic()
        if now - self.told < EVERY and self.done < self.total:
            return
        self.told = now
        rate = self.done / max(now - self.began, 1e-9)
        left = (self.total - self.done) / rate
        log.info(
            "%s %d of %d samples, %.1f samples/s, %.0f s left", self.what, self.done, self.total, rate, left
        )
