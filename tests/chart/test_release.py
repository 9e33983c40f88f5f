"""A whole release: names, pods, secrets, network policies, the pipeline, and what an upgrade changes."""

import json
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

from jobs.pipeline import settings as pipeline_settings
from jobs.steps import STEPS

from . import rendering
from .documentation import CHART
from .rendering import DEMO, HELM, PROD, Manifest, environment_of, of_kind, pods, render

pytestmark = pytest.mark.slow

EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
SOURCES = {"prod": lambda: render(*PROD), "demo": lambda: render(*DEMO)} | {
    path.stem: (lambda path=path: render(file=path)) for path in EXAMPLES
}


@pytest.mark.parametrize("version", ["1.31", "1.32", "1.33", "1.34", "1.35"])
@pytest.mark.parametrize("source", list(SOURCES))
def test_every_manifest_is_valid(source: str, version: str) -> None:
    for item in SOURCES[source]():
        assert kubernetes_validate.validate(item, version, strict=True)


def test_labels_and_names_follow_the_conventions_of_helm(release: list[Manifest]) -> None:
    for item in release:
        labels, name = item["metadata"]["labels"], item["metadata"]["name"]
        assert labels["app.kubernetes.io/name"] == "skuscribe"
        assert labels["app.kubernetes.io/instance"] == "prod"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/component"]
        assert name == "prod" or name.startswith("prod-")
        assert item["metadata"]["namespace"] == "somewhere"


def test_no_template_has_a_version_label(release: list[Manifest]) -> None:
    for _, pod in pods(release):
        assert not {"app.kubernetes.io/version", "helm.sh/chart"} & set(pod["metadata"]["labels"])
    for item in of_kind(release, "CronJob").values():
        assert "app.kubernetes.io/version" not in item["spec"]["jobTemplate"]["metadata"]["labels"]


def test_two_long_release_names_fit_and_stay_distinct() -> None:
    long = "a-release-whose-name-is-as-long-as-helm-allows-it-to"
    first, second = render(*DEMO, release=f"{long}1"), render(*DEMO, release=f"{long}2")
    assert all(len(item["metadata"]["name"]) <= 63 for item in first)
    for name in of_kind(first, "CronJob"):
        assert len(name) <= 52
        assert len(f"{name}-01234567-99999") <= 63  # the host name of an index of a Job that the pipeline creates
    assert not {item["metadata"]["name"] for item in first} & {item["metadata"]["name"] for item in second}


def test_every_pod_is_restricted_and_has_a_read_only_root(release: list[Manifest]) -> None:
    for name, pod in pods(release):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not spec.get("hostNetwork")
        assert not spec.get("hostPID")
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip


def test_every_pod_has_requests_limits_and_sized_volumes(release: list[Manifest]) -> None:
    for name, pod in pods(release):
        for container in pod["spec"]["containers"]:
            for kind in ("requests", "limits"):
                assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"][kind]), name
            assert {"/tmp", "/dev/shm"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
        for volume in pod["spec"]["volumes"]:
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]


def test_only_the_pipeline_has_a_service_account_token(release: list[Manifest]) -> None:
    with_token = [name for name, pod in pods(release) if pod["spec"]["automountServiceAccountToken"]]
    assert len(with_token) == 1
    assert with_token[0].startswith("Job prod-pipeline-")
    for account in of_kind(release, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


def test_the_role_of_the_pipeline_has_only_the_verbs_that_it_uses(prod: list[Manifest]) -> None:
    rules = of_kind(prod, "Role")["prod-pipeline"]["rules"]
    assert {(*rule["resources"], *sorted(rule["verbs"])) for rule in rules} == {
        ("cronjobs", "get"), ("jobs", "create", "get", "list", "patch", "watch"), ("pods", "events", "list"),
    }  # fmt: skip
    assert not of_kind(prod, "ClusterRole")


def test_the_role_of_the_pipeline_may_be_created_by_someone_else(prod: list[Manifest]) -> None:
    roles = [item for item in prod if item["kind"] in ("Role", "RoleBinding")]
    assert render(*PROD, "rbac.create=false") == [item for item in prod if item not in roles]
    shown = rendering.helm(
        *("template", "prod", str(CHART), "--namespace", "somewhere", "--show-only", "templates/rbac.yaml"),
        *[word for value in PROD for word in ("--set", value)],
    )
    assert list(yaml.safe_load_all(shown.stdout)) == roles


ROLE = "arn:aws:iam::123456789012:role/skuscribe"
WITHOUT_SECRET = tuple(value for value in PROD if not value.startswith("store.existingSecret"))


@pytest.mark.parametrize(
    ("values", "account"),
    [
        (PROD, "prod-pipeline"),
        (DEMO, "prod-pipeline"),
        ((*WITHOUT_SECRET, f"store.roleArn={ROLE}"), "prod"),
        ((*WITHOUT_SECRET, "serviceAccount.create=false", "serviceAccount.name=trusted"), "trusted"),
        ((*WITHOUT_SECRET, "serviceAccount.create=false"), "prod-pipeline"),
    ],
)
def test_the_pipeline_has_the_account_that_s3_trusts_or_its_own(values: tuple[str, ...], account: str) -> None:
    manifests = render(*values)
    [(_, pod)] = [item for item in pods(manifests) if item[0].startswith("Job")]
    assert pod["spec"]["serviceAccountName"] == account
    if account != "prod-pipeline":
        assert {pod["spec"]["serviceAccountName"] for name, pod in pods(manifests) if name.startswith("CronJob")} == {
            account
        }
    [subject] = of_kind(manifests, "RoleBinding")["prod-pipeline"]["subjects"]
    assert subject["name"] == account
    assert ("prod-pipeline" in of_kind(manifests, "ServiceAccount")) == (account == "prod-pipeline")
    assert "SKUSCRIBE_STORE" in environment_of(pod)


def test_a_role_for_s3_needs_an_account_of_the_release() -> None:
    error = rendering.error_of(*WITHOUT_SECRET, "serviceAccount.create=false", f"store.roleArn={ROLE}")
    assert "set serviceAccount.create=true, or serviceAccount.name" in error


def test_the_pipeline_waits_for_the_services_of_the_demo(prod: list[Manifest], demo: list[Manifest]) -> None:
    def waits_for(manifests: list[Manifest]) -> str | None:
        [(_, pod)] = [item for item in pods(manifests) if item[0].startswith("Job")]
        assert pipeline_settings.Settings(wait_for=environment_of(pod).get("SKUSCRIBE_WAIT_FOR", {}).get("value", ""))
        return environment_of(pod).get("SKUSCRIBE_WAIT_FOR", {}).get("value")

    assert (waits_for(prod), waits_for(demo)) == (None, "prod-services:8333")
    assert "pipeline" in json.dumps(of_kind(demo, "NetworkPolicy")["prod-store"])


VERIFIED = (*PROD, "postgres.sslmode=verify-full")
CA_FOLDER = "/var/run/secrets/skuscribe-postgres"


def test_the_certificate_of_the_authority_is_mounted_where_postgres_is_used() -> None:
    found = {}
    for name, pod in pods(render(*VERIFIED, "postgres.caSecret=db-ca", "postgres.caKey=root.pem")):
        variables, spec = environment_of(pod), pod["spec"]
        mounts = [item for item in spec["containers"][0]["volumeMounts"] if item["mountPath"] == CA_FOLDER]
        volumes = [item for item in spec["volumes"] if item["name"] == "postgres-ca"]
        assert bool(mounts) == bool(volumes) == ("PGSSLROOTCERT" in variables) == ("PGHOST" in variables), name
        if mounts:
            assert mounts == [{"name": "postgres-ca", "mountPath": CA_FOLDER, "readOnly": True}]
            items = [{"key": "root.pem", "path": "ca.crt"}]
            assert volumes == [{"name": "postgres-ca", "secret": {"secretName": "db-ca", "items": items}}]
            found[name] = (variables["PGSSLMODE"]["value"], variables["PGSSLROOTCERT"]["value"])
    assert set(found.values()) == {("verify-full", f"{CA_FOLDER}/ca.crt")}
    assert {"CronJob prod-embed", "CronJob prod-describe", "Pod prod-doctor"} <= set(found)


def test_the_demo_uses_no_certificate() -> None:
    assert render(*DEMO, "postgres.sslmode=verify-full", "postgres.caSecret=db-ca") == render(*DEMO)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_to_verify_the_server_of_postgres_a_certificate_is_needed(mode: str) -> None:
    """Without it, libpq does not connect. It may be in the image, or where libpq looks for it."""
    error = rendering.error_of(*PROD, f"postgres.sslmode={mode}")
    assert f"postgres.sslmode is {mode}, which needs the certificate" in error
    assert "set postgres.caSecret to a Secret with it" in error
    for values in (
        ("pod.extraEnv[0].name=PGSSLROOTCERT", "pod.extraEnv[0].value=/etc/ssl/cert.pem"),
        (
            "pod.extraVolumes[0].name=ca",
            "pod.extraVolumes[0].secret.secretName=ca",
            "pod.extraVolumeMounts[0].name=ca",
            "pod.extraVolumeMounts[0].mountPath=/tmp/.postgresql",
        ),
    ):
        assert render(*PROD, f"postgres.sslmode={mode}", *values)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require"])
def test_a_certificate_that_would_not_be_used_is_an_error(mode: str) -> None:
    error = rendering.error_of(*PROD, f"postgres.sslmode={mode}", "postgres.caSecret=db-ca")
    assert f"postgres.caSecret is set, and postgres.sslmode is {mode}: set postgres.sslmode to verify-full" in error


SCHEDULING = (
    "pod.nodeSelector.pool=ml",
    "pod.tolerations[0].key=ml",
    "pod.runtimeClassName=gvisor",
    "pod.priorityClassName=batch",
    "pod.labels.team=catalogue",
    "pod.annotations.mesh=none",
    "pod.extraEnv[0].name=HTTPS_PROXY",
    "pod.extraEnv[0].value=http://proxy",
    "pod.extraVolumes[0].name=extra",
    "pod.extraVolumeMounts[0].name=extra",
    "pod.extraVolumeMounts[0].mountPath=/extra",
    "pod.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey=zone",
    "imagePullSecrets[0].name=registry",
)


@pytest.mark.parametrize("base", [PROD, DEMO], ids=["prod", "demo"])
def test_scheduling_applies_to_every_pod(base: tuple[str, ...]) -> None:
    for name, pod in pods(render(*base, *SCHEDULING)):
        spec = pod["spec"]
        assert spec["nodeSelector"]["pool"] == "ml", name
        assert {"key": "ml"} in spec["tolerations"], name
        assert (spec["runtimeClassName"], spec["priorityClassName"]) == ("gvisor", "batch"), name
        assert spec["affinity"], name
        assert spec["imagePullSecrets"] == [{"name": "registry"}], name
        assert pod["metadata"]["labels"]["team"] == "catalogue", name
        assert pod["metadata"]["annotations"]["mesh"] == "none", name
        assert environment_of(pod)["HTTPS_PROXY"]["value"] == "http://proxy", name
        assert {"name": "extra"} in spec["volumes"], name
        assert {"name": "extra", "mountPath": "/extra"} in spec["containers"][0]["volumeMounts"], name


def test_gpu_pods_have_additional_scheduling() -> None:
    manifests = render(
        *PROD, "pod.nodeSelector.a=x", "gpuPod.nodeSelector.gpu=l4", "gpuPod.tolerations[0].key=gpu", "pod.tolerations[0].key=all",
        "train.pod.nodeSelector.gpu=a100",
    )  # fmt: skip
    specs = {name: pod["spec"] for name, pod in pods(manifests)}
    assert specs["CronJob prod-train"]["nodeSelector"] == {"a": "x", "gpu": "a100"}
    assert specs["CronJob prod-evaluate"]["nodeSelector"] == {"a": "x", "gpu": "l4"}
    assert specs["CronJob prod-evaluate"]["tolerations"] == [{"key": "all"}, {"key": "gpu"}]
    assert specs["CronJob prod-prepare"]["nodeSelector"] == {"a": "x"}
    assert specs["CronJob prod-prepare"]["tolerations"] == [{"key": "all"}]


def test_images_have_a_tag_or_digest_and_gpu_pods_have_another_image() -> None:
    def image(manifests: list[Manifest], pod: str) -> str:
        return str(dict(pods(manifests))[f"CronJob prod-{pod}"]["spec"]["containers"][0]["image"])

    plain = render(*PROD, "image.repository=r/s")
    assert (image(plain, "prepare"), image(plain, "train")) == ("r/s:0.1.0", "r/s:0.1.0-gpu")
    digest = "sha256:" + "a" * 64
    fixed = render(*PROD, f"image.digest={digest}", f"gpuImage.digest={digest}", "gpuImage.repository=g")
    assert (image(fixed, "prepare"), image(fixed, "train")) == (f"localhost/skuscribe@{digest}", f"g@{digest}")
    assert image(render(*PROD, "gpuImage.tag=cpu", "train.gpus=0"), "train") == "localhost/skuscribe:0.1.0"


def test_a_digest_of_the_image_without_one_of_the_gpu_image_is_an_error() -> None:
    pinned = "image.digest=sha256:" + "a" * 64
    assert "set gpuImage.digest or gpuImage.tag" in rendering.error_of(*PROD, pinned)
    assert render(*PROD, pinned, "gpuImage.tag=v2-gpu")
    assert render(*PROD, pinned, "train.gpus=0", "evaluate.gpus=0", "describe.gpus=0")
    assert render(*DEMO, pinned)


def test_secrets_are_referenced_and_in_no_other_manifest(prod: list[Manifest], demo: list[Manifest]) -> None:
    assert not of_kind(prod, "Secret")
    secret = of_kind(demo, "Secret").pop("prod-services")
    others = json.dumps([item for item in demo if item["kind"] != "Secret"])
    for value in secret["data"].values():
        assert len(value) >= 40
        assert value not in others
    for _, pod in pods(demo):
        for name in set(secret["data"]) & set(environment_of(pod)):
            assert "secretKeyRef" in environment_of(pod)[name]["valueFrom"]


def test_an_aws_role_replaces_the_secret() -> None:
    manifests = render(
        "store.url=s3://b-b", "postgres.host=db", "postgres.existingSecret=pg", "prepare.settings.input=s3://b/x",
        "store.roleArn=arn:aws:iam::123456789012:role/skuscribe",
    )  # fmt: skip
    for name, pod in pods(manifests):
        if name.startswith("CronJob"):
            assert environment_of(pod)["AWS_WEB_IDENTITY_TOKEN_FILE"]["value"] == "/var/run/secrets/skuscribe/token"
            assert "AWS_ACCESS_KEY_ID" not in environment_of(pod)
            assert any("projected" in volume for volume in pod["spec"]["volumes"])


def test_only_the_jobs_that_use_postgres_get_its_address_and_a_network_policy(release: list[Manifest]) -> None:
    with_database = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for name, pod in pods(release)
        if "PGPASSWORD" in environment_of(pod) and not name.startswith("Deployment")
    }
    assert with_database == {"embed", "build", "match", "evaluate", "describe", "doctor"}
    policy = of_kind(release, "NetworkPolicy")["prod-postgres"]["spec"]["podSelector"]["matchExpressions"][0]
    assert set(policy["values"]) == with_database


def test_network_policies_select_every_pod_and_allow_what_it_needs(demo: list[Manifest]) -> None:
    policies = of_kind(demo, "NetworkPolicy")
    closed = policies["prod"]["spec"]
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in closed
    for name, pod in pods(demo):
        assert closed["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items(), name
    ports = {
        name: [rule["port"] for rule in item["spec"]["egress"][0]["ports"]]
        for name, item in policies.items()
        if "egress" in item["spec"]
    }
    assert ports["prod-store"] == [8333]
    assert ports["prod-postgres"] == [5432]
    assert ports["prod-api"] == [443, 6443]
    assert policies["prod-services"]["spec"]["ingress"][0]["from"]
    assert not of_kind(render(*PROD, "networkPolicy.enabled=false"), "NetworkPolicy")


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("", 443), ("https://s3.example", 443), ("http://minio.store:9000", 9000), ("http://minio", 80)],
)
def test_the_network_policy_of_s3_has_the_port_of_the_endpoint(endpoint: str, port: int) -> None:
    policy = of_kind(render(*PROD, f"store.endpoint={endpoint}"), "NetworkPolicy")["prod-store"]
    assert policy["spec"]["egress"][0]["ports"] == [{"protocol": "TCP", "port": port}]


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        (("prepare.settings.input=https://host:8443/rows.json.gz",), [80, 443, 8443]),
        (("prepare.settings.input=http://host/rows:8443/rows.json.gz",), [80, 443]),
        (("prepare.settings.input=http://name:123@host:8080",), [80, 443, 8080]),
        (("prepare.settings.input=http://[2001:db8::1]/rows?at=12:30",), [80, 443]),
        (("prepare.settings.input=http://[2001:db8::1]:8080/rows",), [80, 443, 8080]),
        (("describe.settings.titles=https://host:8443/titles.csv",), [80, 443, 8443]),
        (
            ("describe.settings.titles=https://a:8443/t.csv", "prepare.settings.input=https://b:8443/r.gz"),
            [80, 443, 8443],
        ),
        (
            ("describe.settings.titles=https://a:8443/t.csv", "prepare.settings.input=https://b:9443/r.gz"),
            [80, 443, 8443, 9443],
        ),
        ((*DEMO, "demo.settings.describe.titles=https://host:8443/titles.csv"), [80, 443, 8443]),
    ],
)
def test_the_network_policy_of_the_internet_has_the_ports_of_the_addresses(
    values: tuple[str, ...], ports: list[int]
) -> None:
    policy = of_kind(render(*PROD, *values), "NetworkPolicy")["prod-internet"]
    assert sorted(item["port"] for item in policy["spec"]["egress"][0]["ports"]) == ports


def test_titles_with_a_signed_address_may_be_on_the_internet() -> None:
    signed = (
        "describe.pod.extraEnv[0].name=SKUSCRIBE_TITLES",
        "describe.pod.extraEnv[0].valueFrom.secretKeyRef.name=titles",
        "describe.pod.extraEnv[0].valueFrom.secretKeyRef.key=url",
    )
    for values, allowed in (((), False), (signed, True)):
        policy = of_kind(render(*PROD, *values), "NetworkPolicy")["prod-internet"]
        [selected] = policy["spec"]["podSelector"]["matchExpressions"]
        assert ("describe" in selected["values"]) == allowed


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (
            (*PROD, "prepare.tmp=200Gi"),
            "prepare.tmp (200Gi): more than limits.ephemeral-storage of prepare.resources, 21Gi",
        ),
        (
            (*PROD, "fetchModel.tmp=200G"),
            "fetchModel.tmp (200G): more than limits.ephemeral-storage of fetchModel.resources",
        ),
        ((*DEMO, "demo.tmp=7Gi"), "demo.tmp (7Gi): more than limits.ephemeral-storage of demo.resources, 6Gi"),
        (
            (*DEMO, "demo.storage=12Gi"),
            "demo.storage (12Gi) and demo.tmp (4Gi): more than limits.ephemeral-storage of demo.servicesResources",
        ),
        ((*DEMO, "runAsUser=2000"), "demo.enabled needs runAsUser 10001"),
    ],
)
def test_values_that_no_node_could_keep_are_an_error(values: tuple[str, ...], part: str) -> None:
    assert part in rendering.error_of(*values)


def test_a_volume_may_be_as_large_as_the_limit_of_its_pod() -> None:
    limit = "prepare.resources.limits.ephemeral-storage=1Ti"
    assert render(*PROD, "prepare.tmp=200Gi", limit)
    assert render(*PROD, "prepare.tmp=1200Mi", "prepare.resources.limits.ephemeral-storage=1.5Gi")
    assert render(*DEMO, "demo.storage=50Gi", "demo.existingClaim=data")


def test_names_of_secrets_stay_texts() -> None:
    manifests = render(
        *PROD,
        "store.existingSecret=s123",
        "postgres.existingSecret=1e3",
        "postgres.passwordKey=on",
        "postgres.userKey=no",
    )
    references = [
        variable["valueFrom"]["secretKeyRef"]
        for _, pod in pods(manifests)
        for variable in environment_of(pod).values()
        if "secretKeyRef" in variable.get("valueFrom", {})
    ]
    assert references
    assert all(isinstance(value, str) for reference in references for value in reference.values())


def pipeline_name(*values: str) -> str:
    found = list(of_kind(render(*values), "Job"))
    assert len(found) == 1
    return found[0]


def test_the_name_of_the_pipeline_changes_only_with_what_it_launches() -> None:
    name = pipeline_name(*PROD)
    assert pipeline_name(*PROD) == name
    assert pipeline_name(*PROD, "describe.schedule=0 3 * * *") == name
    assert pipeline_name(*PROD, "networkPolicy.enabled=false") == name
    assert pipeline_name(*PROD, "shards=66") == name
    for change in (
        "train.shards=3",
        "train.settings.recipe=reference",
        "settings.run=second",
        "image.tag=v2",
        "pipeline.steps={prepare}",
    ):
        assert pipeline_name(*PROD, change) != name, change
    assert pipeline_name(*DEMO) == pipeline_name(*DEMO)


def test_the_pipeline_gets_the_hash_of_each_template(release: list[Manifest]) -> None:
    [(_, pod)] = [item for item in pods(release) if item[0].startswith("Job")]
    setting = environment_of(pod)["SKUSCRIBE_TEMPLATES"]["value"]
    hashes = {
        name: item["metadata"]["annotations"]["skuscribe/template"]
        for name, item in of_kind(release, "CronJob").items()
    }
    assert dict(item.split("=") for item in setting.split(",")) == {
        name.split("-", 1)[1]: template_hash for name, template_hash in hashes.items()
    }
    assert pipeline_settings.Settings(templates=setting)


@pytest.mark.parametrize("name", ["123", "my.release", "1.5"])
def test_a_release_name_that_is_a_number_or_has_a_dot_gives_valid_names(name: str) -> None:
    for item in render(*DEMO, release=name):
        assert kubernetes_validate.validate(item, "1.35", strict=True)
        assert "." not in item["metadata"]["name"]
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == name


def test_names_of_classes_and_accounts_stay_texts() -> None:
    classes = ("pod.priorityClassName=on", "pod.runtimeClassName=no")
    for item in render(*WITHOUT_SECRET, *classes, release="123"):
        assert kubernetes_validate.validate(item, "1.35", strict=True)


def test_a_variable_that_is_given_twice_occurs_once_with_the_last_value() -> None:
    given = (
        "pod.extraEnv[0].name=OMP_NUM_THREADS",
        "pod.extraEnv[0].value=one",
        "train.pod.extraEnv[0].name=OMP_NUM_THREADS",
    )
    found = pods(render(*PROD, *given, "train.pod.extraEnv[0].value=three"))
    for name, pod in (item for item in found if item[0] != "Pod prod-doctor"):  # it has the variables of `train`
        [found] = [item for item in pod["spec"]["containers"][0]["env"] if item["name"] == "OMP_NUM_THREADS"]
        assert found == {"name": "OMP_NUM_THREADS", "value": "three" if name.endswith("-train") else "one"}


def test_a_missed_run_of_a_schedule_is_not_started_late(release: list[Manifest]) -> None:
    assert all(item["spec"]["startingDeadlineSeconds"] == 300 for item in of_kind(release, "CronJob").values())


def test_jobs_with_a_gpu_require_it_by_default(demo: list[Manifest]) -> None:
    def requiring(manifests: list[Manifest]) -> set[str]:
        return {
            name.split("-")[-1]
            for name, pod in pods(manifests)
            if environment_of(pod).get("SKUSCRIBE_REQUIRE_GPU", {}).get("value") == "true"
            and name.startswith("CronJob")
        }

    assert requiring(render(*PROD)) == {"train", "evaluate", "describe"}
    assert requiring(render(*PROD, "requireGpu=false")) == requiring(demo) == set()


def test_the_endpoint_applies_only_to_s3(prod: list[Manifest]) -> None:
    """With AWS_ENDPOINT_URL, the token of a role would be requested from the S3 server."""
    for _, pod in pods(
        render(*PROD, "store.endpoint=https://s3.example", "store.roleArn=arn:aws:iam::123456789012:role/x")
    ):
        assert "AWS_ENDPOINT_URL" not in environment_of(pod)


def test_network_policies_follow_the_values() -> None:
    def ports(policy: str, *values: str) -> tuple[list[int], list[str]]:
        spec = of_kind(render(*PROD, *values), "NetworkPolicy")[policy]["spec"]
        of = spec["podSelector"].get("matchExpressions", [{"values": []}])[0]["values"]
        return [item["port"] for item in spec["egress"][0]["ports"]], of

    assert ports("prod")[0] == [53, 53, 5353, 5353]
    assert ports("prod-store")[0] == [443]
    assert ports("prod-store", "store.endpoint=https://minio.tenant.svc", "networkPolicy.storePorts={9000}")[0] == [
        9000
    ]
    assert ports("prod-internet")[1] == ["prepare", "fetch-model"]
    assert "embed" in ports("prod-internet", "settings.encoder=hub/encoder")[1]
    assert "services" in ports("prod-internet", "settings.encoder=hub/encoder", *DEMO)[1]
    assert "describe" in ports("prod-internet", "describe.settings.titles=https://host/titles.csv")[1]


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("serviceAccount.create=false", "serviceAccount.name=trusted"),
        (f"store.roleArn={ROLE}",),
        ("serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn=arn:aws:iam::1:role/x",),
    ],
    ids=["EKS Pod Identity", "existing account", "role", "IRSA"],
)
def test_without_a_secret_every_pod_may_get_credentials_for_s3(values: tuple[str, ...]) -> None:
    """From AWS STS with port 443, or from EKS Pod Identity, which is 169.254.170.23:80."""
    spec = of_kind(render(*WITHOUT_SECRET, *values), "NetworkPolicy")["prod-role"]["spec"]
    assert [item["port"] for item in spec["egress"][0]["ports"]] == [443, 80]
    assert "to" not in spec["egress"][0]
    [selected] = spec["podSelector"]["matchExpressions"]
    assert {"pipeline", "doctor", *(step.name for step in STEPS)} == set(selected["values"])


@pytest.mark.parametrize("values", [PROD, DEMO], ids=["prod", "demo"])
def test_with_a_secret_no_pod_gets_credentials_from_elsewhere(values: tuple[str, ...]) -> None:
    assert "prod-role" not in of_kind(render(*values), "NetworkPolicy")


def test_the_pipeline_gets_release_namespace_steps_and_run() -> None:
    [(_, pod)] = [item for item in pods(render(*PROD, "settings.run=second")) if item[0].startswith("Job")]
    variables = environment_of(pod)
    assert variables["SKUSCRIBE_RELEASE"]["value"] == "prod"
    assert variables["SKUSCRIBE_RUN"]["value"] == "second"
    assert variables["SKUSCRIBE_STEPS"]["value"] == ",".join(step.name for step in STEPS)
    assert variables["SKUSCRIBE_NAMESPACE"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"
    assert not [item for item in pods(render(*PROD, "pipeline.enabled=false")) if item[0].startswith("Job")]


def test_the_doctor_has_a_gpu_if_training_has_one(prod: list[Manifest], demo: list[Manifest]) -> None:
    def doctor(manifests: list[Manifest]) -> Manifest:
        return dict(pods(manifests))["Pod prod-doctor"]

    assert doctor(prod)["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert environment_of(doctor(prod))["SKUSCRIBE_REQUIRE_GPU"]["value"] == "true"
    assert "nvidia.com/gpu" not in doctor(demo)["spec"]["containers"][0]["resources"]["limits"]
    assert doctor(prod)["metadata"]["annotations"]["helm.sh/hook"] == "test"


def notes_of(*values: str) -> str:
    options = [word for value in values for word in ("--set", value)]
    done = subprocess.run(
        [str(HELM), "install", "prod", str(CHART), "--dry-run=client", "-n", "somewhere", *options],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split("NOTES:")[1]


@pytest.mark.parametrize("values", [PROD, DEMO], ids=["prod", "demo"])
def test_the_notes_have_the_names_of_existing_objects(values: tuple[str, ...]) -> None:
    notes = notes_of(*values)
    assert "cronjob/prod-describe" in notes
    assert "kubectl -n somewhere" in notes
    if values is DEMO:
        assert "deploy/prod-services" in notes


def test_the_notes_describe_a_product_with_the_shared_settings() -> None:
    assert " -- skuscribe describe --query " in notes_of(*DEMO)
    shared = (
        "settings.run=r",
        "settings.catalogue=c",
        "settings.matcher=m",
        "settings.encoder=hub/e",
        "settings.seed=1",
    )
    command = ' -- skuscribe describe --run r --catalogue c --matcher m --encoder "hub/e" --query '
    assert command in notes_of(*DEMO, *shared)
    assert " -- skuscribe describe --catalogue c --query " in notes_of(*DEMO, "settings.catalogue=c")


def test_the_notes_have_a_placeholder_for_a_role_that_a_secret_names() -> None:
    assert "-U owner skuscribe" in notes_of(*PROD, "postgres.user=owner")
    notes = notes_of(*PROD, "postgres.user=owner", "postgres.userKey=username")
    assert "-U USER skuscribe" in notes
    assert "USER is the value of username in Secret db-password" in notes


def test_the_notes_install_the_command_line_from_a_checkout() -> None:
    notes = notes_of(*PROD)
    assert "pip install '.[cluster]' in a checkout" in notes
    assert "skuscribe[" not in notes


@pytest.mark.parametrize("mode", ["allow", "prefer"])
def test_the_notes_warn_if_the_connection_to_postgres_may_not_be_encrypted(mode: str) -> None:
    assert f"WARNING: postgres.sslmode is {mode}." in notes_of(*PROD, f"postgres.sslmode={mode}")


def test_the_notes_do_not_warn_of_a_connection_that_is_encrypted_or_within_the_demo() -> None:
    for values in (DEMO, (*PROD, "postgres.sslmode=require"), (*VERIFIED, "postgres.caSecret=db-ca")):
        assert "postgres.sslmode" not in notes_of(*values)


@pytest.mark.parametrize("values", [(), ("store.existingSecret=s3-keys",), ("serviceAccount.name=trusted",)], ids=str)
def test_the_notes_warn_if_s3_may_trust_another_account_than_that_of_the_pipeline(values: tuple[str, ...]) -> None:
    notes = notes_of(*WITHOUT_SECRET, "serviceAccount.create=false", *values)
    assert ("let it trust prod-pipeline too" in notes) == (values == ())


def test_the_notes_warn_if_the_passwords_follow_from_the_names() -> None:
    warning = "passwords follow from the names"
    assert warning in notes_of(*DEMO)
    assert warning not in notes_of(*DEMO, "demo.secret=own")
    assert warning not in notes_of(*PROD)


def test_the_credentials_of_the_demo_are_the_same_in_each_rendering() -> None:
    def rendered(*values: str, release: str = "prod") -> tuple[Any, Any]:
        rendering._template.cache_clear()
        manifests = render(*DEMO, *values, release=release)
        [(_, pod)] = [item for item in pods(manifests) if item[0].startswith("Deployment")]
        [secret] = of_kind(manifests, "Secret").values()
        return secret["data"], pod["metadata"]["annotations"]["checksum/credentials"]

    credentials, checksum = rendered()
    assert len(set(credentials.values())) == 3
    assert rendered() == (credentials, checksum)
    for other in (rendered("demo.secret=own"), rendered(release="other")):
        assert not set(other[0].values()) & set(credentials.values())
        assert other[1] != checksum


@pytest.mark.parametrize(("release", "services"), [("demo", "demo-services"), ("1st", "skuscribe-1st-services")])
def test_the_name_of_the_services_begins_with_a_letter(release: str, services: str) -> None:
    manifests = render(*DEMO, release=release)
    for kind in ("Service", "Deployment", "Secret"):
        assert services in of_kind(manifests, kind)
    [pipeline] = of_kind(manifests, "Job").values()
    variables = environment_of(pipeline["spec"]["template"])
    assert variables["SKUSCRIBE_WAIT_FOR"]["value"] == f"{services}:8333"
    assert variables["AWS_ENDPOINT_URL_S3"]["value"] == f"http://{services}:8333"


def test_the_services_of_the_demo_listen_on_ipv4_and_ipv6(demo: list[Manifest]) -> None:
    [services] = [pod for name, pod in pods(demo) if name.startswith("Deployment")]
    assert environment_of(services)["SKUSCRIBE_LISTEN"]["value"] == "*"


def test_an_existing_claim_replaces_the_volume() -> None:
    [(_, pod)] = [item for item in pods(render(*DEMO, "demo.existingClaim=mine")) if item[0].startswith("Deployment")]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "mine"}} in pod["spec"]["volumes"]
