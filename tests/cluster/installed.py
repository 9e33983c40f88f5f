"""A release of the chart on the cluster, used through helm and kubectl."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any, Literal, TypeVar

from jobs import __version__

from .waiting import wait_until

CHART = Path(__file__).parents[2] / "charts" / "skuscribe"
PROGRAMS = Path(sys.executable).parent
IMAGE = os.environ.get("SKUSCRIBE_IMAGE", f"localhost/skuscribe:{__version__}")

READ_OBJECT = (
    "import sys, boto3; "
    "print(boto3.client('s3').get_object(Bucket='skuscribe', Key=sys.argv[1])['Body'].read().decode())"
)
Object = dict[str, Any]
Found = TypeVar("Found")


def image_values() -> list[str]:
    """Return the `--set` values that select the image under test, also for pods with a GPU."""
    repository, _, tag = IMAGE.rpartition(":")
    return [
        f"image.repository={repository}",
        f"image.tag={tag}",
        f"gpuImage.tag={tag}",
        "image.pullPolicy=IfNotPresent",
    ]


def run(*command: str, check: bool = True, timeout: float = 600, stdin: str | None = None, stderr: bool = False) -> str:
    """Run a program. Returns its stdout, and its stderr if it fails or `stderr` is true."""
    path = PROGRAMS / command[0]
    words = [str(path) if path.exists() else command[0], *command[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout, input=stdin)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}\n{done.stderr}"
    return done.stdout + (done.stderr if done.returncode or stderr else "")


@dataclass(frozen=True)
class Installed:
    """A release in a namespace, with its values."""

    namespace: str
    name: str = "demo"
    values: tuple[str, ...] = ("demo.enabled=true",)

    def install(self, *more: str) -> str:
        """Run `helm install`. Returns its notes."""
        return self._helm("install", more)

    def upgrade(self, *more: str) -> str:
        """Run `helm upgrade`. Returns its notes."""
        return self._helm("upgrade", more)

    def uninstall(self) -> None:
        """Run `helm uninstall`, and wait until every object is deleted."""
        run("helm", "uninstall", self.name, "-n", self.namespace, "--wait", "--cascade=foreground", "--timeout=5m")

    def kubectl(self, *words: str, check: bool = True, timeout: float = 600, stdin: str | None = None) -> str:
        """Run kubectl in the namespace. Returns its output."""
        return run("kubectl", "-n", self.namespace, *words, check=check, timeout=timeout, stdin=stdin)

    def objects(self, kind: str, component: str = "") -> list[Object]:
        """Return the objects of the release, or of one of its components."""
        selector = f"app.kubernetes.io/instance={self.name}"
        if component:
            selector += f",app.kubernetes.io/component={component}"
        return list(json.loads(self.kubectl("get", kind, "-l", selector, "-o", "json"))["items"])

    def job(self, component: str) -> Object | None:
        """Return the newest Job of a component."""
        jobs = sorted(self.objects("jobs", component), key=lambda job: job["metadata"]["creationTimestamp"])
        return jobs[-1] if jobs else None

    def wait_for_pipeline(self, seconds: float, state: str = "Complete") -> Object:
        """Wait until the newest pipeline has the condition `state`, and return its Job."""
        return self.wait_for_job("pipeline", seconds, state)

    def wait_for_job(self, component: str, seconds: float, state: str = "Complete") -> Object:
        """Wait until the newest Job of a component has the condition `state`, and return it."""

        def ended() -> Object | None:
            job = self.job(component)
            conditions = [
                item for item in (job or {}).get("status", {}).get("conditions", []) if item["status"] == "True"
            ]
            for condition in conditions:
                if condition["type"] in ("Complete", "Failed"):
                    assert condition["type"] == state, f"{component}: {condition}\n{self.diagnosis()}"
                    return job
            return None

        return self.wait_until(ended, f"the Job of {component} ends", seconds)

    def wait_until(self, condition: Callable[[], Found | None], expected: str, seconds: float) -> Found:
        """Wait until a function returns something true, and return that. A failure shows the diagnosis."""
        try:
            return wait_until(condition, expected, seconds, interval=0.5)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.diagnosis()}") from None

    def wait_for_log(self, pod: str, texts: tuple[str, ...], seconds: float) -> None:
        """Follow a pod's log until a line has all of these texts."""
        command = [str(PROGRAMS / "kubectl"), "-n", self.namespace, "logs", "-f", pod]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            stop = Timer(seconds, process.kill)
            stop.start()
            try:
                found = any(all(text in line for text in texts) for line in process.stdout)
            finally:
                stop.cancel()
                process.kill()
        assert found, f"expected within {seconds} s: {texts} in the log of {pod}\n{self.diagnosis()}"

    def logs(self, component: str) -> list[Object]:
        """Return the log records of a component's pods; those of a pod that was deleted with its node are lost."""
        names = [pod["metadata"]["name"] for pod in self.objects("pods", component)]
        text = "\n".join(self.kubectl("logs", name, check=False) for name in names)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def termination_messages(
        self, component: str, kind: Literal["containerStatuses", "initContainerStatuses"] = "containerStatuses"
    ) -> list[str]:
        """Return `EXIT CODE: MESSAGE` of each terminated container of a component."""
        messages = []
        for pod in self.objects("pods", component):
            for container in pod["status"].get(kind, []):
                terminated = container["state"].get("terminated")
                if terminated:
                    messages.append(f"{terminated['exitCode']}: {terminated.get('message', '')}")
        return messages

    def exec_services(self, *command: str, timeout: float = 600) -> str:
        """Run a command in the pod of the demo's services. Returns its output."""
        return self.kubectl("exec", f"deploy/{self.name}-services", "--", *command, timeout=timeout)

    def digests(self, run_name: str) -> Mapping[str, str]:
        """Return the SHA-256 of the weights of every trained shard of a run."""
        digests = {}
        for line in self.exec_services("skuscribe", "artifacts", "--path", f"runs/{run_name}/shard-").splitlines():
            path = line.split()[0].removeprefix("s3://skuscribe/")
            manifest = self.exec_services("python3", "-c", READ_OBJECT, f"{path}/manifest.json")
            digests[path[-11:]] = json.loads(manifest)["files"]["model/model.safetensors"]["sha256"]
        return digests

    def diagnosis(self) -> str:
        """Return Jobs, pods, events and termination messages, for the message of a failed test."""
        parts = [
            *(self.kubectl("get", kinds, check=False) for kinds in ("jobs,pods", "events")),
            " | ".join(self.termination_messages("pipeline")),
            self.kubectl("logs", "-l", self.selector("pipeline"), "--tail=20", check=False),
        ]
        return "\n".join(parts)

    def _helm(self, verb: str, more: tuple[str, ...]) -> str:
        chosen = [word for value in (*image_values(), *self.values, *more) for word in ("--set", value)]
        return run("helm", verb, self.name, str(CHART), "-n", self.namespace, *chosen)

    def selector(self, component: str) -> str:
        """Return the label selector of a component's objects."""
        return f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"


def commands_of(notes: str) -> list[str]:
    """Return the commands in the notes of a release."""
    return [line.strip() for line in notes.splitlines() if re.match(r"  (kubectl|helm) ", line)]
