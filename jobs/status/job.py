"""Show what is done, running and waiting.

Reads the store and Postgres, or a release on the cluster; changes nothing.
"""

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.process.suggestions import most_similar
from jobs.status import index, store_overview
from jobs.status.settings import Settings
from jobs.storage import layout
from jobs.storage.store import Store

CLUSTER_RETRY_SECONDS = 10.0
"""How long an unavailable API server is retried: less than in a pipeline, because a person waits for the answer."""


def run(settings: Settings) -> None:
    """Print the overview. A Postgres that cannot be queried is one of its lines and not an error: the store has the state of a run.

    Errors: `NotReadyError` (75) if the store is empty, or if the release does not exist or is not complete; `InputError` (65) if
    it has failed; `ConfigurationError` (78) if the store has runs, but not --run.
    """
    if settings.release:
        _print_release(settings.namespace, settings.release, settings.gpu_hour_price)
        return
    store = Store(settings.store)
    _require_known_run(store, settings.run)
    lines = list(store_overview.lines(store, settings.run, settings.max_shards))
    if not lines:
        raise NotReadyError(f"{settings.store} is empty: `skuscribe prepare` makes the first artifact")
    print("\n".join([*lines, *index.lines()]))


def _require_known_run(store: Store, run: str) -> None:
    """Raise `ConfigurationError` (78) if the store has runs, but not this one."""
    if not run or store.has_objects(f"{layout.run_path(run)}/"):
        return
    existing = [name for name in store.folders(layout.RUNS) if store.has_objects(f"{layout.run_path(name)}/")]
    if existing:
        nearest = most_similar(run, existing)
        raise ConfigurationError(
            f"there is no run {run!r} in {store.at(layout.RUNS)}: set --run to one that exists (such as {', '.join(nearest)}), "
            "or leave it out for all runs"
        )


def _print_release(namespace: str, release: str, gpu_hour_price: float) -> None:
    from jobs.pipeline import cluster, release_status  # noqa: PLC0415 - needs the optional package `kubernetes`

    connected = cluster.Cluster(namespace, retry_seconds=CLUSTER_RETRY_SECONDS)
    status = release_status.read(connected, release)
    print("\n".join(release_status.lines(status, gpu_hour_price)), flush=True)
    status.check_complete()
