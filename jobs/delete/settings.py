"""Delete a catalogue, a base model, a matcher, a run or a batch: its artifacts in the store, and its rows in Postgres.

Without --yes it changes nothing: it lists what would be deleted, and what was made from it, which stays. A delete that is killed
finishes when it is run again. Postgres is needed, except for models and runs, which have no rows there. End the jobs that write what
you delete first: an index build is noticed, other jobs are not.

    skuscribe delete --path runs/old
"""

from pydantic import Field

from jobs.process.settings import StoreSettings, flag_only


class Settings(StoreSettings):
    """What to delete. No environment variable sets it, because one that other commands read could choose another thing."""

    path: str = Field(
        min_length=1,
        description="What to delete, as a whole: catalogue/NAME, models/NAME, matchers/NAME, runs/RUN or exports/BATCH, also with "
        "the address of the store in front, as `skuscribe artifacts` lists it.",
        json_schema_extra=flag_only(),
    )
    yes: bool = Field(False, description="Delete it. This cannot be undone.", json_schema_extra=flag_only())
