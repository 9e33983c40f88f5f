"""How often Python searches for garbage: rarely enough that it does not slow down the start and the end of a process."""

import atexit
import gc

THRESHOLD = 50_000
"""New objects between two searches. With Python's default, 700, the searches take a fifth of the time to import torch and transformers."""


def collect_rarely() -> None:
    """Search for garbage rarely, and not at the exit, where every object of the imported libraries would be searched: 1 to 2 s."""
    gc.set_threshold(THRESHOLD)
    atexit.register(gc.freeze)
