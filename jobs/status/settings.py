"""Show what is done, running and failed, with figures.

Reads manifests and checkpoints in the store and the index in Postgres, or with --release the Jobs and pods of a release on the
cluster. Changes nothing. For a release the exit code is 0 if it is complete, 75 if it is not complete yet, 65 if it has failed.

    skuscribe status
"""

from pydantic import Field

from jobs.process.settings import MaxShards, StoreSettings, unit


class Settings(StoreSettings):
    """Which run, or which release."""

    run: str = Field("", description="Show only this run. Empty: all runs.")
    max_shards: MaxShards = None
    release: str = Field(
        "", description="Show this release on the cluster instead: steps, shards, pods, time left, cost."
    )
    namespace: str = Field("", description="The namespace of the release. Empty: the namespace of the credentials.")
    gpu_hour_price: float = Field(
        0,
        ge=0,
        description="Price of a GPU hour, in any currency, for the cost of the pods that Kubernetes still lists. 0 leaves cost out.",
        json_schema_extra=unit("currency per GPU hour"),
    )
