"""Pods that wait for ever on real nodes: the pipeline and `status` say why."""

import re
from collections.abc import Callable, Iterator

import pytest

from jobs.pipeline import release_status
from jobs.pipeline.cluster import Cluster
from jobs.process.errors import NotReadyError

from . import kube
from .conftest import own_namespace
from .installed import CHART, Installed, image_values, run
from .test_demo import MINUTES

DEMO = ("demo.enabled=true", "pipeline.steps={prepare}")


@pytest.fixture
def release() -> Iterator[Installed]:
    """A demo in a namespace of its own, not installed yet."""
    with own_namespace() as namespace:
        yield Installed(namespace, "demo", DEMO)


def status_of(release: Installed) -> str:
    return "\n".join(release_status.lines(release_status.read(Cluster(release.namespace), release.name), 0))


def wait_for_status(release: Installed, pattern: str) -> None:
    """Wait until `status` has a line that matches, and check that it ends with 75."""

    def shown() -> bool:
        return re.search(pattern, status_of(release), re.MULTILINE) is not None

    release.wait_until(shown, f"the status matches {pattern}", 3 * MINUTES)
    with pytest.raises(NotReadyError):
        release_status.read(Cluster(release.namespace), release.name).check_complete()


def wait_for_reason(release: Installed, reason: str) -> None:
    """Wait until the pipeline has logged why a step has no running pod."""

    def logged() -> bool:
        records = [record for record in release.logs("pipeline") if record["event"] == "no running pod"]
        return any(reason in record["reason"] for record in records)

    release.wait_until(logged, f"the pipeline logs {reason}", 4 * MINUTES)


def quota(release: Installed) -> None:
    hard = {"hard": {"requests.memory": "100Mi"}}
    kube.core().create_namespaced_resource_quota(release.namespace, {"metadata": {"name": "small"}, "spec": hard})


def limit_range(release: Installed) -> None:
    limits = {"limits": [{"type": "Container", "max": {"memory": "300Mi"}}]}
    kube.core().create_namespaced_limit_range(release.namespace, {"metadata": {"name": "small"}, "spec": limits})


def test_an_image_that_cannot_be_pulled_is_shown_for_pipeline_and_services(release: Installed) -> None:
    release.install("image.repository=localhost/no-such-image", "image.pullPolicy=Never")
    wait_for_status(release, r"pipeline: pod demo-pipeline-\S+ is pending: ErrImageNeverPull")
    wait_for_status(release, r"services: pod demo-services-\S+ is not ready: ErrImageNeverPull")


@pytest.mark.parametrize(("refuse", "words"), [(quota, "exceeded quota"), (limit_range, "maximum memory usage")])
def test_a_refused_pod_is_shown_with_the_event(
    release: Installed, refuse: Callable[[Installed], None], words: str
) -> None:
    refuse(release)
    release.install()
    wait_for_status(release, rf"services: no pod: FailedCreate: .*{words}")


def test_a_step_whose_pod_does_not_start_is_logged_and_shown(release: Installed) -> None:
    """One step fits no node, the other needs a key that a Secret lacks. The pipeline logs a reason after a minute."""
    variable = "fetchModel.pod.extraEnv[0]"
    key = f"{variable}.name=X,{variable}.valueFrom.secretKeyRef.name=demo-services,{variable}.valueFrom.secretKeyRef.key=gone"
    no_node = "embed.pod.nodeSelector.no-such-label=x"
    release.install("demo.sampleRows=480", "pipeline.steps={prepare,fetch-model,embed}", key, no_node)
    wait_for_status(release, r"embed: pod demo-embed-\S+ is pending: Unschedulable")
    wait_for_status(release, r"fetch-model: pod demo-fetch-model-\S+ is pending: CreateContainerConfigError: .*gone")
    for reason in ("Unschedulable", "CreateContainerConfigError"):
        wait_for_reason(release, reason)


def test_a_missing_service_account_is_logged_and_shown(release: Installed) -> None:
    release.install("serviceAccount.create=false", "serviceAccount.name=nobody", "demo.existingClaim=")
    wait_for_status(release, r'serviceaccount "nobody" not found')


def test_an_existing_secret_without_its_key_is_an_error_of_helm(release: Installed) -> None:
    release.kubectl("create", "secret", "generic", "db", "--from-literal=other=1")
    values = (
        "store.url=s3://bucket", "store.existingSecret=absent", "postgres.host=db", "postgres.existingSecret=db",
        "prepare.settings.input=s3://bucket/rows.json",
    )  # fmt: skip
    options = [word for value in (*image_values(), *values) for word in ("--set", value)]
    output = run("helm", "install", "keys", str(CHART), "-n", release.namespace, *options, check=False)
    assert (
        f"Secret db in namespace {release.namespace} has no key password, it has other: set postgres.passwordKey"
        in output
    )


def test_the_credentials_of_an_installed_demo_stay(release: Installed) -> None:
    def credentials() -> str:
        return release.kubectl("get", "secret", "demo-services", "-o", "jsonpath={.data}")

    release.install("pipeline.enabled=false")
    before = credentials()
    release.upgrade("pipeline.enabled=false", "demo.sampleRows=800")
    assert credentials() == before
