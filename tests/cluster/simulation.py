"""Nodes on which pods only pretend to run: what Jobs and the pipeline do with 1,000 shards shows in seconds.

kwok moves the pods, as simulated.yaml says; the API server, the Job controller and the scheduler are the real ones.
"""

import lzma
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import kube
from .machines import MACHINES

LABEL = "skuscribe-test-simulated"
GPU = "nvidia.com/gpu"


def kwok(folder: Path) -> str | None:
    """The kwok program: on PATH, or the packed one of the local cluster, unpacked into `folder`."""
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
    """`count` nodes with one GPU each, and a node without, all tainted so that nothing else lands there."""
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
        _wait_until_ready(api, len(names))
        yield
    finally:
        api.delete_collection_node(label_selector=f"{LABEL}=true")
        process.terminate()
        process.wait(20)


def placement(gpu: bool) -> dict[str, object]:
    """The part of a pod's spec that puts it on a simulated node."""
    return {
        "nodeSelector": {LABEL: "true"},
        "tolerations": [{"key": LABEL, "operator": "Exists"}],
        "containers": [
            {
                "name": "job",
                "image": "simulated",
                "resources": {"limits": {GPU: "1"}} if gpu else {"requests": {"cpu": "10m"}},
            }
        ],
    }


def _node(name: str, gpus: int) -> dict[str, object]:
    room = {"cpu": "1000", "memory": "4Ti", "ephemeral-storage": "40Ti", "pods": "250"} | (
        {GPU: str(gpus)} if gpus else {}
    )
    return {
        "metadata": {"name": name, "labels": {LABEL: "true", "kubernetes.io/hostname": name}},
        "spec": {"taints": [{"key": LABEL, "value": "true", "effect": "NoSchedule"}]},
        "status": {"allocatable": room, "capacity": room},
    }


def _wait_until_ready(api: Any, count: int) -> None:
    for _ in range(150):
        nodes = api.list_node(label_selector=f"{LABEL}=true").items
        ready = [
            node.metadata.name
            for node in nodes
            for condition in node.status.conditions or ()
            if condition.type == "Ready" and condition.status == "True"
        ]
        if len(ready) == count:
            return
        time.sleep(0.2)
    raise TimeoutError(f"{len(ready)} of {count} simulated nodes are ready after 30 s: kwok's log says why")
