"""The job `match`: alternatives, a matcher and its calibration from a catalogue.

Reads the catalogue and its index. Writes matchers/NAME and the table skuscribe.alternative.
"""

from jobs.match.settings import Settings


def run(settings: Settings) -> None:
    """Make the matcher, unless it already exists."""
