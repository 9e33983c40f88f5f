"""The demo on real pods, from `helm install` to `helm uninstall`, in a namespace with Pod Security `restricted`."""

import base64
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs import __version__
from jobs.steps import STEPS
from tests.readme import ROOT, blocks

from . import kube
from .conftest import own_namespace
from .installed import PROGRAMS, Installed, commands_of, image_values, run

MINUTES = 60.0
BY_HAND = "one-more"
"""A Job that a test creates from a CronJob. The controller of CronJobs reports it as unexpected."""
SMALL = (
    "demo.enabled=true",
    "demo.sampleRows=480",
    "prepare.settings.shard_rows=230",
    "train.settings.epochs=1",
    "train.settings.rouge_rows=0",
    "evaluate.settings.questions=4",
    "describe.settings.limit=8",
)
WITHOUT_INDEX = (
    "pipeline.steps={prepare,fetch-model,train,evaluate,report}",
    "evaluate.settings.words_only=true",
    "evaluate.settings.neighbours=0",
)
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@pytest.fixture(scope="module")
def restricted() -> Iterator[str]:
    """A namespace that rejects pods that are not restricted."""
    with own_namespace() as name:
        kube.core().patch_namespace(name, {"metadata": {"labels": RESTRICTED}})
        yield name


@dataclass(frozen=True)
class Shell:
    """Runs commands of the README in the repository, with a kubeconfig whose context has the namespace."""

    kubeconfig: Path

    def run(self, command: str) -> str:
        """Run a command. Returns its output."""
        options = " --set " + ",".join(image_values()) if command.startswith("helm install") else ""
        variables = os.environ | {"KUBECONFIG": str(self.kubeconfig), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", command + options], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr  # helm prints the output of a test to stderr


def readme_commands() -> list[str]:
    """The commands of the README's block for a cluster, without their comments."""
    [block] = [block for block in blocks() if block.language == "sh cluster"]
    return [re.sub(r"\s+# .*", "", line) for line in block.text.splitlines()]


@pytest.fixture(scope="module")
def shell(restricted: str, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    content = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    kube.current_context(content)["namespace"] = restricted
    return Shell(kube.write_kubeconfig(content, tmp_path_factory.mktemp("shell") / "kubeconfig"))


@pytest.fixture(scope="module")
def readme_output(shell: Shell) -> str:
    """The output of the README's commands, from the installation up to the uninstallation."""
    install, image, *commands, uninstall = readme_commands()
    assert (install, image, uninstall) == (
        "make install",
        "make image",
        "helm uninstall demo",
    )  # done by `make test-cluster`
    return "".join(shell.run(command) for command in commands)


@pytest.fixture(scope="module")
def demo(restricted: str, readme_output: str) -> Installed:
    """The demo, with a complete pipeline."""
    release = Installed(restricted)
    release.wait_for_pipeline(MINUTES)
    return release


def test_the_output_of_the_readmes_commands_is_as_described(readme_output: str) -> None:
    assert f"localhost/skuscribe:{__version__}" in (ROOT / "README.md").read_text()
    for word in ("cronjob/demo-describe", "release demo in namespace", "neighbours", "held-out", "ok    Postgres"):
        assert word in readme_output, readme_output


def test_every_step_has_one_complete_job(demo: Installed) -> None:
    for step in STEPS:
        [job] = demo.objects("jobs", step.name)
        assert [item["type"] for item in job["status"]["conditions"] if item["status"] == "True"][-1] == "Complete"
        assert job["metadata"]["ownerReferences"][0]["name"] == f"demo-{step.name}"


def test_each_pod_logs_json_lines(demo: Installed) -> None:
    for step in STEPS:
        records = demo.logs(step.name)
        assert records, step.name
        assert all({"time", "level", "event"} <= set(record) for record in records)


def test_secrets_are_in_no_manifest_event_or_log(demo: Installed) -> None:
    secret = json.loads(demo.kubectl("get", "secret", "demo-services", "-o", "json"))["data"]
    values = [base64.b64decode(value).decode() for value in secret.values()]
    text = demo.kubectl("get", "jobs,cronjobs,pods,events,deployments", "-o", "yaml")
    for step in ("pipeline", "services", *(step.name for step in STEPS)):
        text += demo.kubectl("logs", "-l", demo.selector(step), "--tail=-1", check=False)
    for value in values:
        assert value not in text


def test_the_image_has_its_own_user_and_no_compiler(demo: Installed) -> None:
    assert demo.exec_services("id").startswith("uid=10001(skuscribe) gid=10001(skuscribe)")
    compilers = "for name in cc gcc g++ clang make ld; do command -v $name; done; true"
    assert demo.exec_services("sh", "-c", compilers) == ""
    assert "skuscribe services" in demo.exec_services("sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline")


def test_helm_test_passes_every_check(demo: Installed) -> None:
    output = run("helm", "test", "demo", "-n", demo.namespace, "--timeout=5m", stderr=True)
    for check in ("S3", "Postgres", "encoder", "disk", "memory"):
        assert f"ok    {check}" in output
    assert not demo.objects("pods", "doctor")


def test_the_commands_of_the_notes_work(demo: Installed, tmp_path: Path) -> None:
    notes = run("helm", "get", "notes", "demo", "-n", demo.namespace)
    commands = [command for command in commands_of(notes) if "logs -f" not in command and "create job" not in command]
    assert len(commands) >= 6
    for command in commands:
        program, _, target = command.replace("exec -it", "exec -i").partition(" > ")
        stdin = "SELECT count(*) FROM skuscribe.description;" if "psql" in program else None
        output = run(*shlex.split(program), stdin=stdin)
        if target:
            assert "<html" in output[:2000].lower()
        if "psql" in program:
            assert any(int(word) > 0 for word in output.split() if word.isdigit())


def test_a_job_can_be_launched_by_hand(demo: Installed) -> None:
    demo.kubectl("create", "job", "--from=cronjob/demo-describe", BY_HAND)
    demo.kubectl("wait", "--for=condition=Complete", f"job/{BY_HAND}", "--timeout=5m")
    assert any("already done" in record["event"] for record in demo.logs("describe"))


def test_an_upgrade_without_a_change_launches_and_changes_nothing(demo: Installed) -> None:
    def state() -> dict[str, tuple[str, str]]:
        items = json.loads(demo.kubectl("get", "jobs,pods,cronjobs,secrets,deployments", "-o", "json"))["items"]
        return {
            f"{item['kind']} {item['metadata']['name']}": (item["metadata"]["uid"], str(item["metadata"].get("generation")))
            for item in items
            if item.get("type") != "helm.sh/release.v1"
        }  # fmt: skip

    before = state()
    demo.upgrade()
    assert state() == before


def jobs_of_steps(release: Installed) -> set[str]:
    """The names of the Jobs of a release, without its pipeline."""
    return {name for job in release.objects("jobs") if "pipeline" not in (name := job["metadata"]["name"])}


def test_an_upgrade_and_a_rollback_launch_the_changed_steps_and_what_needs_them(demo: Installed) -> None:
    before = jobs_of_steps(demo)
    demo.upgrade("describe.settings.limit=5", "settings.batch=five")
    demo.wait_for_pipeline(5 * MINUTES)
    after = jobs_of_steps(demo)
    assert {name.rsplit("-", 1)[0] for name in after - before} == {"demo-describe", "demo-report"}
    assert before <= after
    run("helm", "rollback", "demo", "-n", demo.namespace)
    demo.wait_for_pipeline(5 * MINUTES)
    assert {name.rsplit("-", 1)[0] for name in jobs_of_steps(demo) - after} == {"demo-describe", "demo-report"}
    assert_the_report_is_of_the_newest_artifacts(demo)


REPORT_INPUTS = """
import json
from jobs.report import sources
from jobs.storage import artifact, layout
from jobs.storage.store import Store
store = Store("s3://skuscribe")
report = artifact.find(store, layout.report_path("main"))
print(json.dumps([dict(report.manifest.inputs), sources.find(store, "main", "main", "main").digests()]))
"""


def assert_the_report_is_of_the_newest_artifacts(release: Installed) -> None:
    """Check the digests of the report's inputs: they are those of the artifacts that the store has now."""
    recorded, newest = json.loads(release.exec_services("python3", "-c", REPORT_INPUTS))
    assert recorded == newest


@dataclass(frozen=True)
class RunningTime:
    """When the container of a pod of an index ran, as the API writes it."""

    index: int
    start: str
    end: str


def running_time(pod: dict[str, Any]) -> RunningTime:
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    index = pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
    return RunningTime(int(index), ended["startedAt"], ended["finishedAt"])


@pytest.fixture(scope="module")
def grown() -> Iterator[Installed]:
    """A small demo that trains one shard of two, complete."""
    with own_namespace() as namespace:
        release = Installed(namespace, "grown", (*SMALL, "train.shards=1", *WITHOUT_INDEX))
        release.install()
        release.wait_for_pipeline(15 * MINUTES)
        yield release


def test_after_an_upgrade_with_more_shards_the_report_has_them(grown: Installed) -> None:
    assert len(grown.digests("main")) == 1
    grown.upgrade("train.shards=2")
    grown.wait_for_pipeline(15 * MINUTES)
    assert len(grown.digests("main")) == 2
    assert_the_report_is_of_the_newest_artifacts(grown)
    train = grown.job("train")
    assert train is not None
    assert train["spec"]["completions"] == 2
    run("helm", "rollback", "grown", "-n", grown.namespace)
    grown.wait_for_pipeline(15 * MINUTES)
    assert_the_report_is_of_the_newest_artifacts(grown)


def test_an_upgrade_with_another_catalogue_trains_after_it_is_prepared(grown: Installed) -> None:
    names = [f"settings.{name}=smaller" for name in ("catalogue", "matcher", "model", "run", "batch")]
    training = "pipeline.steps={prepare,fetch-model,train}"
    grown.upgrade("prepare.settings.shard_rows=150", "train.shards=9", training, *names)
    grown.wait_for_pipeline(15 * MINUTES)
    prepare, train = grown.job("prepare"), grown.job("train")
    assert prepare is not None
    assert train is not None
    assert prepare["status"]["completionTime"] <= train["metadata"]["creationTimestamp"]
    assert train["spec"]["completions"] == len(grown.digests("smaller")) == 3


def test_shards_at_once_are_trained_at_the_same_time_and_merged() -> None:
    with own_namespace() as namespace:
        three = ("demo.sampleRows=560", "prepare.settings.shard_rows=170", "train.settings.shards_at_once=2")
        release = Installed(namespace, "rounds", (*SMALL, *WITHOUT_INDEX, *three))
        release.install()
        release.wait_for_pipeline(15 * MINUTES)
        succeeded = [pod for pod in release.objects("pods", "train") if pod["status"]["phase"] == "Succeeded"]
        first, second, third = sorted(map(running_time, succeeded), key=lambda time: time.index)
        assert first.start < second.end
        assert second.start < first.end
        assert max(first.end, second.end) <= third.end
        ended = {message for message in release.termination_messages("train") if not message.startswith("0")}
        assert ended == set()
        checks = {
            message
            for message in release.termination_messages("train", "initContainerStatuses")
            if not message.startswith("0")
        }
        assert all(message.startswith("75") and "not trained yet" in message for message in checks)
        listed = release.exec_services("skuscribe", "artifacts", "--path", "runs/main/")
        paths = {line.split()[0].removeprefix("s3://skuscribe/runs/main/") for line in listed.splitlines()}
        assert {path for path in paths if path.startswith("merged/")} == {"merged/shard-00001", "merged/shard-00002"}
        stages = {path.removeprefix("evaluation/") for path in paths if path.startswith("evaluation/")}
        assert stages == {"base", "base-retrieval", "shard-00001", "shard-00002", "shard-00002-retrieval"}
        evaluate = release.job("evaluate")
        assert evaluate is not None
        assert evaluate["spec"]["completions"] == len(stages)


def test_no_pod_of_the_demo_fails_and_no_event_reports_an_unexpected_job(demo: Installed) -> None:
    assert [pod["metadata"]["name"] for pod in demo.objects("pods") if pod["status"]["phase"] == "Failed"] == []
    events = json.loads(demo.kubectl("get", "events", "-o", "json"))["items"]
    unexpected = [event["message"] for event in events if event["reason"] == "UnexpectedJob"]
    assert [message for message in unexpected if not message.endswith(f" {BY_HAND}")] == []


def test_an_uninstall_deletes_everything(demo: Installed, shell: Shell) -> None:
    shell.run(readme_commands()[-1])
    kinds = "all,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,persistentvolumeclaims,cronjobs"

    def only_defaults_are_left() -> bool:
        names = demo.kubectl("get", kinds, "-o", "name").split()
        return sorted(names) == ["configmap/kube-root-ca.crt", "serviceaccount/default"]

    demo.wait_until(only_defaults_are_left, "only the default objects of a namespace are left", 5 * MINUTES)
