"""Faults drawn from a seed: the same seed gives the same faults in the same order of calls."""

import random
import threading
from collections import Counter
from enum import StrEnum


class Fault(StrEnum):
    """What happens to a call."""

    ERROR = "error"  # an answer that says that the service is not available
    RESET_BEFORE = "reset before"  # the service never gets the call
    RESET_AFTER = "reset after"  # the service has done its work, and the answer is lost
    HALF_ANSWER = "half an answer"
    DELAY = "delay"


class Faults:
    """Draws a fault for each call with a probability, and counts calls and faults."""

    def __init__(self, probability: float, seed: str) -> None:
        self._probability, self._draw, self._lock = probability, random.Random(seed), threading.Lock()
        self.counts: Counter[str] = Counter()

    def next(self) -> Fault | None:
        """Return the fault of the next call, or None."""
        with self._lock:
            self.counts["calls"] += 1
            if self._draw.random() >= self._probability:
                return None
            fault = self._draw.choice(list(Fault))
            self.counts[fault] += 1
            return fault
