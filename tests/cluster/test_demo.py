"""The demo on real pods, in a namespace that enforces Pod Security `restricted`: from `helm install` to nothing left."""

import base64
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from jobs import __version__
from jobs import steps as plan
from tests.readme import ROOT, blocks

from . import kube
from .conftest import own_namespace
from .installed import PROGRAMS, Installed, commands_of, image_values, run

MINUTES = 60.0
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@pytest.fixture(scope="module")
def restricted() -> Iterator[str]:
    """A namespace that takes no pod which is not restricted."""
    with own_namespace() as name:
        kube.core().patch_namespace(name, {"metadata": {"labels": RESTRICTED}})
        yield name


@dataclass(frozen=True)
class Newcomer:
    """Somebody who follows the README's commands to the letter, with a kubeconfig that names the namespace."""

    kubeconfig: Path

    def types(self, command: str) -> str:
        """What the command prints."""
        chosen = " --set " + ",".join(image_values()) if command.startswith("helm install") else ""
        mine = os.environ | {"KUBECONFIG": str(self.kubeconfig), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", command + chosen], cwd=ROOT, env=mine, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr  # helm shows the words of a test among its errors


def readme_commands() -> list[str]:
    """Those that need a cluster: the first makes the image, the last removes the release."""
    [block] = [item for item in blocks() if item.language == "sh cluster"]
    return block.text.splitlines()


@pytest.fixture(scope="module")
def newcomer(restricted: str, tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    content = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    kube.current_context(content)["namespace"] = restricted
    return Newcomer(kube.write_kubeconfig(content, tmp_path_factory.mktemp("newcomer") / "kubeconfig"))


@pytest.fixture(scope="module")
def said(newcomer: Newcomer) -> str:
    """What the README's commands print, from the install to where the release is about to go."""
    image, *commands, uninstall = readme_commands()
    assert (image, uninstall) == ("make image", "helm uninstall demo")  # `make test-cluster` has made the image
    return "".join(newcomer.types(command) for command in commands)


@pytest.fixture(scope="module")
def demo(restricted: str, said: str) -> Installed:
    """The demo, with the pipeline at its end."""
    release = Installed(restricted)
    assert release.wait_for_pipeline(MINUTES), said
    return release


def test_the_commands_of_the_readme_show_what_it_says(said: str) -> None:
    assert f"localhost/skuscribe:{__version__}" in (ROOT / "README.md").read_text()
    for word in ("cronjob/demo-describe", "release demo in namespace", "neighbours", "held-out", "ok    Postgres"):
        assert word in said, said


def test_every_step_ran_once_and_is_complete(demo: Installed) -> None:
    for step in plan.STEPS:
        [job] = demo.objects("jobs", step.name)
        assert [item["type"] for item in job["status"]["conditions"] if item["status"] == "True"][-1] == "Complete"
        assert job["metadata"]["ownerReferences"][0]["name"] == f"demo-{step.name}"


def test_each_pod_says_what_it_does_in_json_lines(demo: Installed) -> None:
    for step in plan.STEPS:
        lines = demo.logs(step.name)
        assert lines, step.name
        assert all({"time", "level", "event"} <= set(line) for line in lines)


def test_secrets_show_in_no_manifest_event_or_log(demo: Installed) -> None:
    secret = json.loads(demo.kubectl("get", "secret", "demo-services", "-o", "json"))["data"]
    words = [base64.b64decode(value).decode() for value in secret.values()]
    seen = demo.kubectl("get", "jobs,cronjobs,pods,events,deployments", "-o", "yaml")
    for step in ("pipeline", "services", *(step.name for step in plan.STEPS)):
        seen += demo.kubectl("logs", "-l", demo.selector(step), "--tail=-1", check=False)
    for word in words:
        assert word not in seen


def test_the_image_runs_as_a_user_of_its_own_and_holds_no_compiler(demo: Installed) -> None:
    assert demo.in_services("id").startswith("uid=10001(skuscribe) gid=10001(skuscribe)")
    compilers = "for name in cc gcc g++ clang make ld; do command -v $name; done; true"
    assert demo.in_services("sh", "-c", compilers) == ""
    assert "skuscribe services" in demo.in_services("sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline")


def test_helm_test_finds_everything_well(demo: Installed) -> None:
    said = run("helm", "test", "demo", "-n", demo.namespace, "--timeout=5m", errors=True)
    for what in ("S3", "Postgres", "encoder", "disk", "memory"):
        assert f"ok    {what}" in said
    assert not demo.objects("pods", "doctor")


def test_the_commands_of_the_notes_work(demo: Installed, tmp_path: Path) -> None:
    notes = run("helm", "get", "notes", "demo", "-n", demo.namespace)
    commands = [command for command in commands_of(notes) if "logs -f" not in command and "create job" not in command]
    assert len(commands) >= 6
    for command in commands:
        shown, _, target = command.replace("exec -it", "exec -i").partition(" > ")
        stdin = "SELECT count(*) FROM skuscribe.description;" if "psql" in shown else None
        said = run(*shlex.split(shown), stdin=stdin)
        if target:
            assert "<html" in said[:2000].lower()
        if "psql" in shown:
            assert any(int(word) > 0 for word in said.split() if word.isdigit())


def test_a_job_can_be_launched_by_hand(demo: Installed) -> None:
    demo.kubectl("create", "job", "--from=cronjob/demo-describe", "one-more")
    demo.kubectl("wait", "--for=condition=Complete", "job/one-more", "--timeout=5m")
    assert any("already done" in line["event"] for line in demo.logs("describe"))


def test_an_upgrade_without_a_change_launches_and_touches_nothing(demo: Installed) -> None:
    def state() -> dict[str, tuple[str, str]]:
        found = json.loads(demo.kubectl("get", "jobs,pods,cronjobs,secrets,deployments", "-o", "json"))["items"]
        return {
            f"{item['kind']} {item['metadata']['name']}": (item["metadata"]["uid"], str(item["metadata"].get("generation")))
            for item in found
            if item.get("type") != "helm.sh/release.v1"
        }  # fmt: skip

    before = state()
    demo.upgrade()
    assert state() == before


def test_an_upgrade_launches_what_is_new_and_a_rollback_goes_back(demo: Installed) -> None:
    before = {item["metadata"]["name"] for item in demo.objects("jobs") if "pipeline" not in item["metadata"]["name"]}
    demo.upgrade("describe.settings.limit=5", "settings.batch=five")
    demo.wait_for_pipeline(5 * MINUTES)
    after = {item["metadata"]["name"] for item in demo.objects("jobs") if "pipeline" not in item["metadata"]["name"]}
    assert {name.rsplit("-", 1)[0] for name in after - before} == {"demo-describe", "demo-report"}
    assert before <= after
    run("helm", "rollback", "demo", "-n", demo.namespace)
    demo.wait_for_pipeline(5 * MINUTES)
    assert {item["metadata"]["name"] for item in demo.objects("jobs")} >= after


def test_an_uninstall_leaves_nothing_behind(demo: Installed, newcomer: Newcomer) -> None:
    newcomer.types(readme_commands()[-1])
    kinds = "all,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,persistentvolumeclaims,cronjobs"

    def only_what_every_namespace_has() -> bool:
        left = demo.kubectl("get", kinds, "-o", "name").split()
        return sorted(left) == ["configmap/kube-root-ca.crt", "serviceaccount/default"]

    demo.wait_until("nothing is left", only_what_every_namespace_has, 2 * MINUTES)
