"""What is done, what is running, what is waiting, with figures.

Reads manifests and saved states in the store, or with --release the Jobs and pods of a release on the cluster; changes
nothing. Try: skuscribe status
"""

from pydantic import Field

from jobs.process.settings import StoreSettings, unit


class Settings(StoreSettings):
    """Which run, or which release."""

    run: str = Field("", description="This run alone. Empty: all runs.")
    release: str = Field(
        "", description="Show this release on the cluster instead: steps, shards, pods, time left, cost."
    )
    namespace: str = Field(
        "", description="Where the release lives. Empty: where the credentials for the cluster belong."
    )
    gpu_hour_price: float = Field(
        0,
        ge=0,
        description="What an hour of a GPU costs, in any currency; pods that Kubernetes no longer lists do not count. 0: the hours alone.",
        json_schema_extra=unit("per hour"),
    )
