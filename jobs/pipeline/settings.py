"""Launch the jobs of a release on a Kubernetes cluster in order, and follow them until all are complete.

Reads the suspended CronJobs RELEASE-STEP, and the number of shards in the manifest of the catalogue. Creates a Job from each
CronJob as soon as the Jobs that it needs are complete; independent steps run at the same time. A restarted pipeline finds the
Jobs that it has launched. A failed step ends the pipeline with the termination message of the failed pod.

    skuscribe pipeline --release demo --namespace demo
"""

from pydantic import Field, field_validator

from jobs.process.accepted import MAX_PORT, accepts
from jobs.process.settings import MaxShards, Name, ShardsAtOnce, StoreSettings, unit
from jobs.retrieval.settings import RetrievalShare
from jobs.steps import STEPS


class Settings(StoreSettings):
    """Settings of `pipeline`."""

    release: str = Field(
        "skuscribe",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,50}[a-z0-9])?$",
        description="The prefix of the names of the release's CronJobs: RELEASE-train and so on.",
        json_schema_extra=accepts("1 to 52 of `a-z0-9.-`, with a letter or digit at both ends"),
    )
    namespace: str = Field("", description="The namespace of the release. Empty: the namespace of the credentials.")
    steps: str = Field("", description="The steps to run, comma-separated. Empty: all.")
    templates: str = Field(
        "",
        pattern=r"^([a-z-]+=[0-9a-f]+(,|$))*$",
        description="For each of these steps, wait for the CronJob whose template has this hash. Empty: use the present CronJobs.",
        json_schema_extra=accepts("STEP=HASH, comma-separated"),
    )
    catalogue: Name = Field(
        "main", description="The catalogue whose number of shards determines the number of indexes of each Job."
    )
    max_shards: MaxShards = None
    shards_at_once: ShardsAtOnce = 1
    retrieval_share: RetrievalShare = 0.0
    run: Name = Field("main", description="The name of the run. Each run has its own Jobs, from the same CronJobs.")

    max_disruptions: int = Field(
        20,
        ge=1,
        description="Number of consecutive node-pressure evictions without a successful pod after which the pipeline suspends the "
        "Job and fails.",
        json_schema_extra=unit("pods"),
    )
    wait_for: str = Field(
        "",
        pattern=r"^([^,: ]+:[0-9]+(,|$))*$",
        description="Addresses that must accept connections before the first step. Empty: none.",
        json_schema_extra=accepts("HOST:PORT, comma-separated"),
    )

    @field_validator("wait_for")
    @classmethod
    def _with_a_port(cls, text: str) -> str:
        for address in words(text):
            if not 0 < int(address.rpartition(":")[2]) <= MAX_PORT:
                raise ValueError(f"expected a port from 1 to {MAX_PORT}, found {address}")
        return text

    @field_validator("steps")
    @classmethod
    def _known(cls, text: str) -> str:
        names = [step.name for step in STEPS]
        if not set(words(text)).issubset(names):
            raise ValueError(f"expected steps of this list, comma-separated: {', '.join(names)}")
        return text


def words(text: str) -> list[str]:
    """Return the comma-separated words of a setting."""
    return [word.strip() for word in text.split(",") if word.strip()]
