"""A record of all events of the pods and Jobs in a namespace, in the order of the cluster's resource versions."""

import threading
from dataclasses import dataclass, field

from jobs.pipeline.cluster import JOBS, PODS, Cluster, Json, Resource, VersionExpired
from jobs.pipeline.termination import INDEX_LABEL
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.steps import STEPS

from . import simulation
from .waiting import DEADLINE_SECONDS

NEEDS = {step.name: step.needs for step in STEPS}


@dataclass
class Recorder:
    """Records inside the `with` block. `pods` and `jobs` are the events, oldest first."""

    namespace: str
    pods: list[Json] = field(default_factory=list)
    jobs: list[Json] = field(default_factory=list)

    def __enter__(self) -> "Recorder":
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._record, args=(PODS, self.pods), daemon=True),
            threading.Thread(target=self._record, args=(JOBS, self.jobs), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_SECONDS)

    def _record(self, resource: Resource, events: list[Json]) -> None:
        """Append the events. After an outage of the API server, unknown objects of a list count as added."""
        cluster, known = Cluster(self.namespace), set[str]()
        version = ""
        while not self._stop.is_set():
            try:
                if not version:
                    listing = cluster.list(resource, "")
                    version = listing.version
                    events += [{"type": "ADDED", "object": item} for item in listing.items if _uid(item) not in known]
                for event in cluster.watch(resource, "", version, seconds=3):
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        known.add(_uid(event["object"]))
                        events.append(event)
            except VersionExpired:
                version = ""
            except (NotReadyError, ConfigurationError):
                self._stop.wait(0.5)

    def pods_created(self, release: str, step: str = "") -> list[Json]:
        """Return the pods of a release, or of one of its steps, as they were created."""
        created = [event["object"] for event in self.pods if event["type"] == "ADDED"]
        return [pod for pod in created if release_of(pod) == release and step_of(pod) == (step or step_of(pod))]

    def jobs_created(self, release: str) -> list[Json]:
        """Return the Jobs of a release, as they were created."""
        created = [event["object"] for event in self.jobs if event["type"] == "ADDED"]
        return [job for job in created if release_of(job) == release]

    def completed(self, release: str) -> dict[str, int]:
        """Return the resource version at which each step's Job was complete."""
        versions: dict[str, int] = {}
        for job in (event["object"] for event in self.jobs):
            conditions = job.get("status", {}).get("conditions", ())
            complete = any(item["type"] == "Complete" and item["status"] == "True" for item in conditions)
            if release_of(job) == release and complete:
                versions.setdefault(step_of(job), version_of(job))
        return versions

    def indexes_succeeded(self, release: str, step: str) -> dict[int, int]:
        """Return the resource version at which each index of a step had its first pod that succeeded."""
        versions: dict[int, int] = {}
        for pod in (event["object"] for event in self.pods):
            if (release_of(pod), step_of(pod), pod["status"].get("phase")) == (release, step, "Succeeded"):
                versions.setdefault(index_of(pod), version_of(pod))
        return versions

    def assert_gpu_pods_had_their_inputs(self, release: str) -> None:
        """Check that no pod with a GPU was created before the steps that it needs, and the shard before it, were complete."""
        completed, trained = self.completed(release), self.indexes_succeeded(release, "train")
        gpu_pods = [pod for pod in self.pods_created(release) if requests_gpu(pod)]
        assert gpu_pods
        for pod in gpu_pods:
            name, step, created = pod["metadata"]["name"], step_of(pod), version_of(pod)
            assert all(completed.get(need, created) < created for need in NEEDS[step]), f"{name} was created too early"
            if step == "train" and index_of(pod) > 0:
                assert trained[index_of(pod) - 1] < created, f"{name} was created before the previous shard was trained"


def _uid(item: Json) -> str:
    return str(item["metadata"]["uid"])


def release_of(item: Json) -> str:
    """Return the release of a pod or a Job."""
    return str(item["metadata"].get("labels", {}).get("app.kubernetes.io/instance"))


def step_of(item: Json) -> str:
    """Return the step of a pod or a Job."""
    return str(item["metadata"].get("labels", {}).get("app.kubernetes.io/component"))


def index_of(pod: Json) -> int:
    """Return the completion index of a pod."""
    return int(pod["metadata"]["labels"].get(INDEX_LABEL, 0))


def version_of(item: Json) -> int:
    """Return the resource version of an object, which orders all changes of the cluster."""
    return int(item["metadata"]["resourceVersion"])


def requests_gpu(pod: Json) -> bool:
    """Whether a pod requests a GPU."""
    return any(simulation.GPU in item.get("resources", {}).get("limits", {}) for item in pod["spec"]["containers"])
