"""Settings of the jobs that check texts."""

from typing import Annotated

from pydantic import Field

from jobs.process.settings import Name, unit

EVIDENCE_NEIGHBOURS = 8
"""Nearest products whose texts may have what the title lacks. The prompt may have fewer of them."""
DEFAULT_NUMBER_SUPPORT = 5
"""Most of them. A number or word that fewer have is right in less than half of the cases (`tests/bench/bench_checks.py`)."""

MatcherName = Annotated[Name, Field(description="The matcher that decides whether a text fits its title.")]
WordsOnly = Annotated[
    bool,
    Field(
        description="Check texts by their words only, without a matcher: a weak check, for catalogues without one.",
    ),
]
NumberSupport = Annotated[
    int,
    Field(
        ge=1,
        le=EVIDENCE_NEIGHBOURS,
        description=f"Of the {EVIDENCE_NEIGHBOURS} nearest products, how many must have what a text states and the title lacks: "
        "a number, a code, or a word such as a material.",
        json_schema_extra=unit("products"),
    ),
]
PublishFrom = Annotated[
    float | None,
    Field(
        gt=0,
        lt=1,
        description="Publish a text whose probability to be right is at least this. Default: as the matcher recommends.",
        json_schema_extra=unit("probability"),
    ),
]
