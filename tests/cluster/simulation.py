"""Simulated nodes, on which hundreds of shards take seconds.

kwok changes the status of the pods as simulated.yaml says; the API server, the Job controller and the scheduler are real.
"""

import lzma
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import kube
from .machines import MACHINES
from .waiting import DEADLINE_SECONDS, wait_until

LABEL = "skuscribe-test-simulated"
GPU = "nvidia.com/gpu"


def kwok(folder: Path) -> str | None:
    """Return the kwok program: the one on PATH, or that of the local cluster, unpacked into `folder`; None without either."""
    packed = MACHINES / "bin" / "kwok.xz"
    if found := shutil.which("kwok"):
        return found
    if not packed.exists():
        return None
    program = folder / "kwok"
    with lzma.open(packed) as source, program.open("wb") as target:
        shutil.copyfileobj(source, target)
    program.chmod(0o700)
    return str(program)


@contextmanager
def simulated_nodes(program: str, count: int, log: Path) -> Iterator[None]:
    """Create `count` nodes with one GPU each and one node without, tainted against other pods, and delete them at the end."""
    api = kube.core()
    names = [f"{LABEL}-{number}" for number in range(count + 1)]
    arguments = ["--manage-nodes-with-label-selector", f"{LABEL}=true", "--node-lease-duration-seconds", "40"]
    stages = Path(__file__).with_name("simulated.yaml")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "--kubeconfig", os.environ["KUBECONFIG"], *arguments, "--config", str(stages)],
            stdout=output,
            stderr=output,
        )
    try:
        for name in names:
            api.create_node(_node(name, gpus=0 if name == names[0] else 1))
        wait_until(lambda: _ready(api) == len(names), f"{len(names)} simulated nodes are ready: see {log}")
        yield
    finally:
        api.delete_collection_node(label_selector=f"{LABEL}=true")
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def placement(gpu: bool, container: str = "job") -> dict[str, object]:
    """Return the part of a pod's spec that schedules it, with one container, on a simulated node."""
    return {
        "nodeSelector": {LABEL: "true"},
        "tolerations": [{"key": LABEL, "operator": "Exists"}],
        "containers": [
            {
                "name": container,
                "image": "simulated",
                "resources": {"limits": {GPU: "1"}} if gpu else {"requests": {"cpu": "10m"}},
            }
        ],
    }


def _node(name: str, gpus: int) -> dict[str, object]:
    capacity = {"cpu": "1000", "memory": "4Ti", "ephemeral-storage": "40Ti", "pods": "250"} | (
        {GPU: str(gpus)} if gpus else {}
    )
    return {
        "metadata": {"name": name, "labels": {LABEL: "true", "kubernetes.io/hostname": name}},
        "spec": {"taints": [{"key": LABEL, "value": "true", "effect": "NoSchedule"}]},
        "status": {"allocatable": capacity, "capacity": capacity},
    }


def _ready(api: Any) -> int:
    """Return how many simulated nodes are ready."""
    nodes = api.list_node(label_selector=f"{LABEL}=true").items
    conditions = [condition for node in nodes for condition in node.status.conditions or ()]
    return sum(condition.type == "Ready" and condition.status == "True" for condition in conditions)
