"""All of it on this machine: raw rows in, checked descriptions out, with embedded Postgres and S3.

Runs every job in the order of `jobs.plan`, each a process of its own, exactly as the cluster would. What is done is found
done; what was interrupted goes on. Reads raw rows; writes descriptions (JSON Lines, CSV, Parquet), report.html,
report.pdf, the trained model's folder and summary.json into OUT. Try: skuscribe local --out out
"""

from pathlib import Path

from pydantic import Field

from jobs.process.settings import Name, unit
from jobs.process.settings import Settings as CommonSettings
from jobs.retrieval.settings import RetrievalShare


class Settings(CommonSettings):
    """What the local run takes; every setting of a job is read from its own variable too."""

    input: str = Field(
        "", description="Raw rows: a path, https:// or s3://. Empty: a generated sample of 720 products."
    )
    source: str = Field("tiny", description="The base model: a hub id, a folder, s3://, or `tiny`, made on the spot.")
    tokenizer: str = Field(
        "", description="A folder with the tokenizer that `tiny` is to use. Empty: one trained on the rows."
    )
    out: Path = Field(Path("out"), description="Where the results go.")
    state: Path = Field(Path(".skuscribe"), description="Where the embedded services keep their data.")
    name: Name | None = Field(None, description="Name of the catalogue, model, run and batch. Default: OUT's own name.")
    retrieval_share: RetrievalShare | None = None
    describe: int = Field(
        2000, ge=1, description="At most this many held-out titles are described.", json_schema_extra=unit("titles")
    )
    only_stop: bool = Field(False, description="Stop the embedded services, and do nothing else.")
    only_clean: bool = Field(False, description="Stop them, remove their data and what is ours in --out, and say what.")
