"""Launch the jobs of a release in order, each from its template, and follow them to the end.

Reads the suspended CronJobs RELEASE-STEP; makes a Job of each as soon as those before it are Complete. Steps that do not
need each other run side by side. Killed and started again it finds what it launched. A step that fails ends the pipeline
with the pod's own last words. Try: skuscribe pipeline --release demo --namespace demo
"""

from pydantic import Field, field_validator

from jobs import steps as plan
from jobs.process.settings import Name, unit
from jobs.process.settings import Settings as CommonSettings
from jobs.retrieval.settings import RetrievalShare


class Settings(CommonSettings):
    """Which release, and how much of it."""

    release: str = Field(
        "skuscribe",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,50}[a-z0-9])?$",
        description="What the names of the release's CronJobs begin with: RELEASE-train and so on.",
    )
    namespace: str = Field("", description="Where the release lives. Empty: where these credentials belong.")
    steps: str = Field("", description="The steps to run, with commas between them. Empty: all.")
    templates: str = Field(
        "",
        pattern=r"^([a-z-]+=[0-9a-f]+(,|$))*$",
        description="STEP=MARK, with commas between them: of each step, wait for the template that is marked so. Empty: take what is there.",
    )
    retrieval_share: RetrievalShare = 0.0
    run: Name = Field("main", description="Name of the run: another name makes other Jobs of the same templates.")
    patience_seconds: float = Field(
        600, gt=0, description="How long to wait for an API server that is away.", json_schema_extra=unit("seconds")
    )

    @field_validator("steps")
    @classmethod
    def _known(cls, text: str) -> str:
        names = [step.name for step in plan.STEPS]
        unknown = [name for name in words(text) if name not in names]
        if unknown:
            raise ValueError(f"there is no step {', '.join(unknown)}; the steps are {', '.join(names)}")
        return text


def words(text: str) -> list[str]:
    """Return the comma-separated words of a setting."""
    return [word.strip() for word in text.split(",") if word.strip()]
