"""Draw a sample of a batch for people to label right or wrong, or read their labels.

Without --labels: reads the rows of the batch in Postgres, and writes audit.html, where each text is labelled with a key, and
audit.csv with the same rows, for a spreadsheet. With --labels: reads the filled-in file, writes the table
skuscribe.audit_label and exports/BATCH/audit, and prints the share of right texts with its 95 % interval.

    skuscribe audit --batch main --rows 200
    skuscribe audit --labels audit.csv
"""

from pathlib import Path

from pydantic import Field

from jobs.process.settings import Name, StoreSettings, unit


class Settings(StoreSettings):
    """Settings of `audit`."""

    batch: Name = Field("main", description="The batch to draw a sample from. With --labels, the file names the batch.")
    rows: int = Field(
        200,
        ge=1,
        le=20_000,
        description="Number of texts to draw: half of them published, the others spread over the reasons why texts are held back.",
        json_schema_extra=unit("texts"),
    )
    seed: int = Field(13, ge=0, lt=2**32, description="Seed of the draw. The same batch and seed give the same files.")
    out: Path = Field(Path("audit"), description="The folder to write audit.html and audit.csv into.")
    labels: str = Field(
        "",
        description="Read the labels in this filled-in audit.csv (a path, https:// or s3://) instead of drawing a sample.",
    )
