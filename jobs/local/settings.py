"""Run every job in order on this machine: raw rows in, checked descriptions out.

Starts Postgres and S3 servers on this machine, which keep running, and runs each job in a process, as a cluster runs it in a
pod. A job that is done is skipped, an interrupted one resumes. Reads raw rows; writes descriptions (JSON Lines, CSV,
Parquet), report.html, report.pdf, the trained model and summary.json into the folder --out. The jobs read their other settings
from their environment variables, such as SKUSCRIBE_EPOCHS.

    skuscribe local --out out
"""

from pathlib import Path

from pydantic import Field

from jobs.process.settings import Name, unit
from jobs.process.settings import Settings as CommonSettings
from jobs.retrieval.settings import RetrievalShare
from jobs.t5.files import TINY


class Settings(CommonSettings):
    """Settings of the local run. The jobs also read their own settings from their environment variables."""

    input: str = Field("", description="Raw rows: a path or https://. Empty: a generated sample of 2,100 rows.")
    source: str = Field(TINY, description="The base model: a hub id, a folder, or `tiny`, a small random T5.")
    tokenizer: str = Field(
        "", description="A folder with the tokenizer of the tiny model. Empty: one trained on the rows."
    )
    out: Path = Field(Path("out"), description="The folder for the results.")
    state: Path = Field(Path(".skuscribe"), description="The folder for the data of the local services.")
    name: Name | None = Field(
        None,
        description="The name of the catalogue, model, run and batch. Default: made from the name of the folder --out.",
    )
    retrieval_share: RetrievalShare = 0.0
    describe: int = Field(
        2000, ge=1, description="Maximum number of held-out titles to describe.", json_schema_extra=unit("titles")
    )
    steps_at_once: int | None = Field(
        None,
        ge=1,
        description="Maximum number of steps that run at the same time, each when the steps that it needs are done. "
        "Default: 2 with the tiny model, which trains with one thread, else 1, because a larger model uses every CPU.",
    )
    only_stop: bool = Field(False, description="Stop the local services, and do nothing else.")
    only_clean: bool = Field(
        False,
        description="Stop the local services, remove their data and the results in --out, and list what was removed.",
    )
