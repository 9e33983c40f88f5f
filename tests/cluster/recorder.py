"""Everything that happens to the pods and Jobs of a namespace, from a watch of all of them, in the cluster's own order."""

import threading
from dataclasses import dataclass, field

from jobs import steps as plan
from jobs.pipeline.cluster import JOBS, PODS, Cluster, Gone, Json, Resource
from jobs.pipeline.termination import INDEX_LABEL
from jobs.process.errors import ConfigurationError, NotReadyError

from . import simulation

NEEDS = {step.name: step.needs for step in plan.STEPS}


@dataclass
class Recorder:
    """Use as a context manager. `pods` and `jobs` are the events, oldest first; revisions are the cluster's clock."""

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
            thread.join(30)

    def _record(self, kind: Resource, events: list[Json]) -> None:
        """A test may take the API server away: then what was missed is found in a list, as if it were made now."""
        cluster, known = Cluster(self.namespace), set[str]()
        version = ""
        while not self._stop.is_set():
            try:
                if not version:
                    found = cluster.list(kind, "")
                    version = found.version
                    events += [{"type": "ADDED", "object": item} for item in found.items if _uid(item) not in known]
                for event in cluster.watch(kind, "", version, seconds=3):
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        known.add(_uid(event["object"]))
                        events.append(event)
            except Gone:
                version = ""
            except (NotReadyError, ConfigurationError):
                self._stop.wait(0.5)

    def made(self, release: str, step: str = "") -> list[Json]:
        """The pods of a release, or of a step of it, as they were made."""
        made = [event["object"] for event in self.pods if event["type"] == "ADDED"]
        return [pod for pod in made if release_of(pod) == release and step_of(pod) == (step or step_of(pod))]

    def jobs_added(self, release: str) -> list[Json]:
        """The Jobs of a release, as they were made."""
        made = [event["object"] for event in self.jobs if event["type"] == "ADDED"]
        return [job for job in made if release_of(job) == release]

    def completed(self, release: str) -> dict[str, int]:
        """The revision at which each step's Job was Complete."""
        found: dict[str, int] = {}
        for job in (event["object"] for event in self.jobs):
            conditions = job.get("status", {}).get("conditions", ())
            done = any(item["type"] == "Complete" and item["status"] == "True" for item in conditions)
            if release_of(job) == release and done:
                found.setdefault(step_of(job), revision(job))
        return found

    def ended(self, release: str, step: str) -> dict[int, int]:
        """The revision at which each index of a step first had a pod that Succeeded."""
        found: dict[int, int] = {}
        for pod in (event["object"] for event in self.pods):
            if (release_of(pod), step_of(pod), pod["status"].get("phase")) == (release, step, "Succeeded"):
                found.setdefault(index_of(pod), revision(pod))
        return found

    def assert_gpu_pods_had_their_inputs(self, release: str) -> None:
        """Whenever a pod with a GPU was made, all that its step needs was Complete, and so was the shard before it."""
        completed, trained = self.completed(release), self.ended(release, "train")
        with_gpu = [pod for pod in self.made(release) if asks_for_gpu(pod)]
        assert with_gpu
        for pod in with_gpu:
            name, step, born = pod["metadata"]["name"], step_of(pod), revision(pod)
            assert all(completed.get(need, born) < born for need in NEEDS[step]), f"{name} came too soon"
            if step == "train" and index_of(pod) > 0:
                assert trained[index_of(pod) - 1] < born, f"{name} came before the shard before it"


def _uid(item: Json) -> str:
    return str(item["metadata"]["uid"])


def release_of(item: Json) -> str:
    """The release that a pod or a Job belongs to."""
    return str(item["metadata"].get("labels", {}).get("app.kubernetes.io/instance"))


def step_of(item: Json) -> str:
    """The step that a pod or a Job belongs to."""
    return str(item["metadata"].get("labels", {}).get("app.kubernetes.io/component"))


def index_of(pod: Json) -> int:
    """The completion index of a pod."""
    return int(pod["metadata"]["labels"].get(INDEX_LABEL, 0))


def revision(item: Json) -> int:
    """When an object was as it is, on the cluster's one clock."""
    return int(item["metadata"]["resourceVersion"])


def asks_for_gpu(pod: Json) -> bool:
    """Whether a pod requests a GPU."""
    return any(simulation.GPU in item.get("resources", {}).get("limits", {}) for item in pod["spec"]["containers"])
