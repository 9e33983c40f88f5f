"""Launch the jobs of a release on a Kubernetes cluster in order, and follow them until all are complete.

Reads the suspended CronJobs RELEASE-STEP, and the number of shards in the manifest of the catalogue. Creates a Job from each one as soon as the Jobs that it needs are complete;
independent steps run at the same time. A restarted pipeline finds the Jobs that it has launched. A failed step ends the
pipeline with the termination message of the failed pod. Example: skuscribe pipeline --release demo --namespace demo
"""

from pydantic import Field, field_validator

from jobs.process.settings import MaxShards, Name, StoreSettings, unit
from jobs.retrieval.settings import RetrievalShare
from jobs.steps import STEPS


class Settings(StoreSettings):
    """Settings of `pipeline`."""

    release: str = Field(
        "skuscribe",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,50}[a-z0-9])?$",
        description="The prefix of the names of the release's CronJobs: RELEASE-train and so on.",
    )
    namespace: str = Field("", description="The namespace of the release. Empty: the namespace of the credentials.")
    steps: str = Field("", description="The steps to run, comma-separated. Empty: all.")
    templates: str = Field(
        "",
        pattern=r"^([a-z-]+=[0-9a-f]+(,|$))*$",
        description="STEP=HASH, comma-separated: wait for the CronJob whose template has this hash. Empty: use the present ones.",
    )
    catalogue: Name = Field("main", description="The catalogue, whose number of shards sets the indexes of the Jobs.")
    max_shards: MaxShards = None
    retrieval_share: RetrievalShare = 0.0
    run: Name = Field("main", description="Name of the run; another run gets other Jobs from the same templates.")

    max_disruptions: int = Field(
        20,
        ge=1,
        description="Stop a step after this number of pods evicted by node pressure in a row without one that succeeds.",
        json_schema_extra=unit("pods"),
    )
    wait_for: str = Field(
        "",
        pattern=r"^([^,: ]+:[0-9]+(,|$))*$",
        description="HOST:PORT, comma-separated: addresses that must accept connections before the first step.",
    )

    @field_validator("steps")
    @classmethod
    def _known(cls, text: str) -> str:
        names = [step.name for step in STEPS]
        unknown = [name for name in words(text) if name not in names]
        if unknown:
            raise ValueError(f"there is no step {', '.join(unknown)}; the steps are {', '.join(names)}")
        return text


def words(text: str) -> list[str]:
    """Return the comma-separated words of a setting."""
    return [word.strip() for word in text.split(",") if word.strip()]
