"""A release of the chart on the cluster, as its user has it: helm and kubectl, and what they say."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

from jobs import __version__

CHART = Path(__file__).parents[2] / "charts" / "skuscribe"
PROGRAMS = Path(sys.executable).parent
IMAGE = os.environ.get("SKUSCRIBE_IMAGE", f"localhost/skuscribe:{__version__}")

READ_OBJECT = (
    "import sys, boto3; "
    "print(boto3.client('s3').get_object(Bucket='skuscribe', Key=sys.argv[1])['Body'].read().decode())"
)
Object = dict[str, Any]


def image_values() -> list[str]:
    """The `--set` values that choose the image under test, for pods with a GPU too."""
    repository, _, tag = IMAGE.rpartition(":")
    return [
        f"image.repository={repository}",
        f"image.tag={tag}",
        f"gpuImage.tag={tag}",
        "image.pullPolicy=IfNotPresent",
    ]


def run(*command: str, check: bool = True, timeout: float = 600, stdin: str | None = None, errors: bool = False) -> str:
    """Run a program and return what it prints, with its errors where they are asked for or it fails."""
    path = PROGRAMS / command[0]
    words = [str(path) if path.exists() else command[0], *command[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout, input=stdin)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}\n{done.stderr}"
    return done.stdout + (done.stderr if done.returncode or errors else "")


@dataclass(frozen=True)
class Installed:
    """A release in a namespace, and the values it was installed with."""

    namespace: str
    name: str = "demo"
    values: tuple[str, ...] = ("demo.enabled=true",)

    def install(self, *more: str) -> str:
        """`helm install`; returns its notes."""
        return self._helm("install", more)

    def upgrade(self, *more: str) -> str:
        """`helm upgrade`."""
        return self._helm("upgrade", more)

    def uninstall(self) -> None:
        """`helm uninstall`, to the last object."""
        run("helm", "uninstall", self.name, "-n", self.namespace, "--wait", "--cascade=foreground", "--timeout=5m")

    def kubectl(self, *words: str, check: bool = True, timeout: float = 600, stdin: str | None = None) -> str:
        """Kubectl in the namespace."""
        return run("kubectl", "-n", self.namespace, *words, check=check, timeout=timeout, stdin=stdin)

    def objects(self, kind: str, component: str = "") -> list[Object]:
        """Objects of the release."""
        selector = f"app.kubernetes.io/instance={self.name}"
        if component:
            selector += f",app.kubernetes.io/component={component}"
        return list(json.loads(self.kubectl("get", kind, "-l", selector, "-o", "json"))["items"])

    def job(self, component: str) -> Object | None:
        """The newest Job of a component."""
        found = sorted(self.objects("jobs", component), key=lambda item: item["metadata"]["creationTimestamp"])
        return found[-1] if found else None

    def wait_for_pipeline(self, seconds: float, state: str = "Complete") -> Object:
        """Wait until the newest pipeline is Complete or Failed, and give what it ended with."""
        return self.wait_for_job("pipeline", seconds, state)

    def wait_for_job(self, component: str, seconds: float, state: str = "Complete") -> Object:
        """Wait until the newest Job of a component has ended, as `state` says."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job = self.job(component)
            ended = [item for item in (job or {}).get("status", {}).get("conditions", []) if item["status"] == "True"]
            for condition in ended:
                if condition["type"] in ("Complete", "Failed"):
                    assert condition["type"] == state, f"{component}: {condition}\n{self.story()}"
                    assert job is not None
                    return job
            time.sleep(1)
        raise AssertionError(f"{component} has not ended within {seconds} s\n{self.story()}")

    def wait_until(self, what: str, condition: Any, seconds: float) -> Any:
        """Wait until a function gives something true, and give it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.5)
        raise AssertionError(f"{what}: not within {seconds} s\n{self.story()}")

    def follow(self, pod: str, event: str, seconds: float) -> None:
        """Read a pod's log as it is written, until it tells of this event."""
        command = [str(PROGRAMS / "kubectl"), "-n", self.namespace, "logs", "-f", pod]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            stop = Timer(seconds, process.kill)
            stop.start()
            try:
                told = any(f'"event": "{event}"' in line for line in process.stdout)
            finally:
                stop.cancel()
                process.kill()
        assert told, f"{pod} has not told of {event!r} within {seconds} s\n{self.story()}"

    def logs(self, component: str) -> list[Object]:
        """The JSON lines of a component's pods; a pod whose node went has left none."""
        names = [pod["metadata"]["name"] for pod in self.objects("pods", component)]
        text = "\n".join(self.kubectl("logs", name, check=False) for name in names)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def last_words(self, component: str) -> list[str]:
        """The termination messages of a component's pods."""
        found = []
        for pod in self.objects("pods", component):
            for container in pod["status"].get("containerStatuses", []):
                ended = container["state"].get("terminated")
                if ended:
                    found.append(f"{ended['exitCode']}: {ended.get('message', '')}")
        return found

    def in_services(self, *command: str, timeout: float = 600) -> str:
        """Run a command in the pod of the demo's services."""
        return self.kubectl("exec", f"deploy/{self.name}-services", "--", *command, timeout=timeout)

    def digests(self, run_name: str) -> Mapping[str, str]:
        """The SHA-256 of the weights of every trained shard of a run."""
        found = {}
        for line in self.in_services("skuscribe", "artifacts", "--path", f"runs/{run_name}/shard-").splitlines():
            path = line.split()[0].removeprefix("s3://skuscribe/")
            manifest = self.in_services("python3", "-c", READ_OBJECT, f"{path}/manifest.json")
            found[path[-11:]] = json.loads(manifest)["files"]["model/model.safetensors"]["sha256"]
        return found

    def story(self) -> str:
        """Jobs, pods, events and last words, for whoever reads a failure."""
        parts = [
            *(self.kubectl("get", kinds, check=False) for kinds in ("jobs,pods", "events")),
            *(" | ".join(self.last_words(step)) for step in ("pipeline",)),
            self.kubectl("logs", "-l", self.selector("pipeline"), "--tail=20", check=False),
        ]
        return "\n".join(parts)

    def _helm(self, verb: str, more: tuple[str, ...]) -> str:
        chosen = [word for value in (*image_values(), *self.values, *more) for word in ("--set", value)]
        return run("helm", verb, self.name, str(CHART), "-n", self.namespace, *chosen)

    def selector(self, component: str) -> str:
        """The labels of a component's objects."""
        return f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"


def commands_of(notes: str) -> list[str]:
    """The commands that the notes of a release show."""
    return [line.strip() for line in notes.splitlines() if re.match(r"  (kubectl|helm) ", line)]
