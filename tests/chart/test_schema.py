"""Values: described, used, and rejected if they are wrong."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.steps import STEPS

from . import documentation
from .documentation import CHART
from .rendering import DEMO, HELM, PROD, environment_of, error_of, helm, pods, render

pytestmark = pytest.mark.slow

VALUES = (CHART / "values.yaml").read_text()
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))


def test_helm_is_installed() -> None:
    assert HELM.exists(), "install it with `make .venv/helm`"


def test_helm_lint_passes() -> None:
    done = helm("lint", "--strict", str(CHART), *[word for value in PROD for word in ("--set", value)])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda path: path.stem)
def test_helm_lint_passes_for_each_example(file: Path) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_of_gke_uses_cloud_storage_with_an_hmac_key() -> None:
    for name, pod in pods(render(file=CHART / "examples" / "gke.yaml")):
        if name.startswith("CronJob"):
            variables = environment_of(pod)
            assert variables["AWS_ENDPOINT_URL_S3"]["value"] == "https://storage.googleapis.com"
            assert variables["AWS_ACCESS_KEY_ID"]["valueFrom"]["secretKeyRef"]["name"] == "skuscribe-store"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda path: path.stem)
def test_a_secret_from_a_file_has_no_line_break_at_its_end(file: Path) -> None:
    text = file.read_text()
    for name in re.findall(r"--from-file=(\w+)(?=[\s;]|$)", text):  # not certificates, which may end in one
        assert re.search(rf"printf %s .* > {name}\b", text), name


@pytest.mark.parametrize("name", ["README.md", "examples/eks.yaml", "examples/gke.yaml"])
def test_the_lifecycle_rule_of_the_bucket_is_documented(name: str) -> None:
    text = " ".join((CHART / name).read_text().replace("#", "").split())
    assert "incomplete multipart uploads" in text
    assert "noncurrent versions" in text


def test_every_value_is_used_by_a_template() -> None:
    templates = "".join(path.read_text() for path in sorted((CHART / "templates").rglob("*")) if path.is_file())
    keys = {value.path.split(".")[-1] for value in documentation.values(VALUES)} - {"global"}
    assert {key for key in keys if not re.search(rf"[.\"]{key}\b", templates)} == set()


def test_every_value_has_a_description() -> None:
    described = {value.path for value in documentation.values(VALUES)}

    def undescribed(tree: object, path: str) -> list[str]:
        if path in described or not isinstance(tree, dict):
            return [] if path in described else [path]
        return [name for key, value in tree.items() for name in undescribed(value, f"{path}.{key}".strip("."))]

    assert undescribed(yaml.safe_load(VALUES), "") == []
    assert all(value.description.endswith(".") for value in documentation.values(VALUES))


def test_generated_files_are_up_to_date() -> None:
    for name, generate in documentation.GENERATED:
        text = (CHART / name).read_text()
        assert generate(text) == text, f"{name} is outdated: run `make chart`"


def test_the_schema_has_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    for key, value in yaml.safe_load(VALUES).items():
        properties = schema["properties"][key].get("properties")
        assert properties is None or set(properties) >= set(value)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("demo.enable=true", "'enable' not allowed"),
        ("trian.gpus=1", "'trian' not allowed"),
        ("match.gpus=0", "at '/match': additional properties 'gpus' not allowed"),
        ("train.gpus=4", "at '/train/gpus': maximum: got 4, want 1"),
        ("train.setings.recipe=fast", "'setings' not allowed"),
        ("train.settings.recipe=fsat", "must be one of"),
        ("embed.settings.m=8", "'m' not allowed"),
        ("train.settings.retrieval_share=1.5", "/train/settings/retrieval_share"),
        ("train.settings.learning_rate=0.0", "/train/settings/learning_rate"),
        ("train.settings.learning_rate=2e0", "/train/settings/learning_rate"),
        ("prepare.settings.similarity=0.4", "/prepare/settings/similarity"),
        ("describe.settings.repetition_penalty=3.1", "/describe/settings/repetition_penalty"),
        ("train.settings.target_tokens=5", "'target_tokens' not allowed"),
        ("train.settings.index=5", "'index' not allowed"),
        ("train.settings.epochs=many", "/train/settings/epochs"),
        ("settings.catalog=x", "'catalog' not allowed"),
        ("settings.batch=", "/settings/batch"),
        ("prepare.settings.shard_rows=5", "minimum: got 5, want 10"),
        ("shards=0", "minimum: got 0, want 1"),
        ("shards=many", "got string, want integer"),
        ("pod.nodeSelectr.a=b", "'nodeSelectr' not allowed"),
        ("pod.extraEnv[0].nam=b", "/pod/extraEnv/0"),
        ("pod.extraEnv[0].name=b,pod.extraEnv[0].valueFrom.secret=x", "/pod/extraEnv/0/valueFrom"),
        ("pod.tolerations[0].value=true", "/pod/tolerations/0/value"),
        ("gpuPod.tolerations[0].operator=Equals", "/gpuPod/tolerations/0/operator"),
        ("train.pod.tolerations[0].effect=NoRun", "/train/pod/tolerations/0/effect"),
        ("pod.affinity.nodeAffinity.x=y", "/pod/affinity/nodeAffinity"),
        ("pod.extraVolumes[0].emptyDir.medium=Memory", "/pod/extraVolumes/0"),
        ("pod.extraVolumes[0].name=a,pod.extraVolumes[0].secret.name=b", "/pod/extraVolumes/0/secret"),
        ("pod.extraVolumeMounts[0].name=a", "/pod/extraVolumeMounts/0"),
        ("networkPolicy.storeTo[0].ipBlock.cidrs=10.0.0.0/8", "/networkPolicy/storeTo/0/ipBlock"),
        ("networkPolicy.extraEgress[0].port=80", "/networkPolicy/extraEgress/0"),
        ("networkPolicy.extraEgress[0].ports[0].protocol=HTTP", "/networkPolicy/extraEgress/0/ports/0/protocol"),
        ("train.pod.tolerations=x", "got string, want array"),
        ("image.digest=latest", "/image/digest"),
        ("store.url=https://bucket", "/store/url"),
        ("store.endpoint=https://key:secret@s3.example", "/store/endpoint"),
        ("store.roleArn=skuscribe", "/store/roleArn"),
        ("postgres.port=99999", "maximum: got 99,999"),
        ("pipeline.steps={train,tarin}", "/pipeline/steps/1"),
        ("train.resources.limit.cpu=1", "'limit' not allowed"),
        ("train.tmp=20GB", "/train/tmp"),
        ("train.schedule=nightly", "/train/schedule"),
        ("describe.settings.publish_from=95.0", "/describe/settings/publish_from"),
        ("match.settings.hold_back=1.0", "/match/settings/hold_back"),
        ("settings.seed=4294967296", "/settings/seed"),
        ("pod.labels.app\\.kubernetes\\.io/component=ml", "invalid propertyName 'app.kubernetes.io/component'"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_path(value: str, error: str) -> None:
    assert error in error_of(*PROD, value)


def numbers(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every definition of a number in a schema."""
    if isinstance(schema, dict) and schema.get("type") == "number":
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from numbers(part)


BOUNDS = {
    tuple(sorted((name, value) for name, value in item.items() if "imum" in name))
    for item in numbers(documentation.schema_settings())
}


@pytest.mark.parametrize("bounds", sorted(BOUNDS), ids=str)
@settings(deadline=None)
@given(number=st.floats(0, 12), style=st.sampled_from(["{:.6f}", "{:.3e}", "{:.1f}", "{:.0e}"]))
def test_a_number_as_text_is_accepted_if_it_is_within_the_bounds(
    bounds: tuple[tuple[str, float], ...], number: float, style: str
) -> None:
    """`helm --set` passes a number with a decimal point or an exponent as text."""
    text, limits = style.format(number), dict(bounds)
    value = float(text)
    within = limits.get("minimum", 0) <= value <= limits.get("maximum", math.inf)
    within = within and limits.get("exclusiveMinimum", -1) < value < limits.get("exclusiveMaximum", math.inf)
    accepted = re.search(documentation.number_pattern(limits), text) is not None
    if "e" not in text:
        assert accepted == within
    elif accepted:  # 1.0e+00 and 5e-01 are also written without an exponent
        assert within


@pytest.mark.parametrize("value", ["1e-4", "0.0001", ".5", "1.0", "5E-05"])
def test_a_learning_rate_in_any_notation_is_accepted(value: str) -> None:
    assert render(*PROD, f"train.settings.learning_rate={value}")


@pytest.mark.parametrize(
    "value", ["postgres://me:pw@db.example/skuscribe", "me@db.example", "db.example:5432", "db example"]
)
def test_an_address_in_place_of_the_host_of_postgres_is_rejected(value: str) -> None:
    assert "/postgres/host" in error_of(*PROD, f"postgres.host={value}")


@pytest.mark.parametrize("value", ["db", "10.20.0.3", "fd00::3", "/cloudsql/project:region:name"])
def test_a_name_an_address_and_a_socket_are_hosts_of_postgres(value: str) -> None:
    assert render(*PROD, f"postgres.host={value}")


@pytest.mark.parametrize("missing", ["store.url", "postgres.host", "postgres.existingSecret", "prepare.settings.input"])
def test_a_missing_required_value_is_named(missing: str) -> None:
    given = [value for value in PROD if not value.startswith(f"{missing}=")]
    assert re.search(rf"{re.escape(missing)} is required", error_of(*given))


def test_without_an_input_the_variable_for_a_signed_address_is_named() -> None:
    given = [value for value in PROD if not value.startswith("prepare.settings.input=")]
    assert "SKUSCRIBE_INPUT in prepare.pod.extraEnv" in error_of(*given)


def test_the_demo_requires_no_values() -> None:
    assert len(render(*DEMO)) > len(STEPS)


REQUIRED = """
store: {url: s3://bucket/prefix, existingSecret: s3-keys}
postgres: {host: db.example, existingSecret: db-password}
prepare: {settings: {input: "s3://bucket/raw/rows.json.gz"}}
"""


def nested_sections_as_null(tree: dict[str, Any]) -> dict[str, Any]:
    """Return values in which every section inside a section is null."""
    return {
        key: {name: None for name, inner in value.items() if isinstance(inner, dict | list)}
        for key, value in tree.items()
        if isinstance(value, dict)
    }


@pytest.mark.parametrize("base", ["prod", "demo"])
@pytest.mark.parametrize("depth", ["sections", "nested sections", "jobs"])
def test_an_empty_section_is_its_default(base: str, depth: str, tmp_path: Path) -> None:
    """A section of which every line is a comment is null."""
    tree = yaml.safe_load(VALUES)
    given = yaml.safe_load(REQUIRED) if base == "prod" else {"demo": {"enabled": True}}
    sections = {key: None for key, value in tree.items() if isinstance(value, dict | list)}
    jobs = {documentation.key_of(step.name): {"pod": None, "resources": None, "settings": None} for step in STEPS}
    empty = {"sections": sections, "nested sections": nested_sections_as_null(tree), "jobs": jobs}[depth]
    values = empty | {key: {**(empty.get(key) or {}), **value} for key, value in given.items()}
    for name, content in (("empty", values), ("default", given)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    assert render(file=tmp_path / "empty.yaml") == render(file=tmp_path / "default.yaml")


def test_what_a_user_removes_from_settings_and_resources_stays_removed(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(
        REQUIRED + "evaluate: {settings: {replace: null}, resources: {limits: {cpu: null}}}\nrunAsUser: null"
    )
    [pod] = [pod for name, pod in pods(render(file=file)) if name == "CronJob prod-evaluate"]
    [container] = pod["spec"]["containers"]
    assert "SKUSCRIBE_REPLACE" not in environment_of(pod)
    assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage", "nvidia.com/gpu"}
    assert "runAsUser" not in pod["spec"]["securityContext"]


def test_the_minimal_values_of_the_readme_suffice(tmp_path: Path) -> None:
    block = (CHART / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    file = tmp_path / "my-values.yaml"
    file.write_text(block)
    assert len(render(file=file)) > len(STEPS)


def test_the_documented_values_give_every_pod_the_certificate_of_a_private_s3_server(tmp_path: Path) -> None:
    [pod] = re.findall(r"`(pod: \{extraVolumes: .*?\})`\.", (CHART / "README.md").read_text(), re.DOTALL)
    values = tmp_path / "values.yaml"
    values.write_text(pod)
    rendered = list(pods(render(*PROD, file=values)))
    assert len(rendered) > len(STEPS)
    for name, template in rendered:
        [container] = template["spec"]["containers"]
        path = environment_of(template)["AWS_CA_BUNDLE"]["value"]
        [mount] = [mount for mount in container["volumeMounts"] if path.startswith(f"{mount['mountPath']}/")]
        [volume] = [volume for volume in template["spec"]["volumes"] if volume["name"] == mount["name"]]
        assert volume["secret"] == {"secretName": "s3-ca"}, name


def test_the_documented_proxy_is_not_used_for_the_kubernetes_api(tmp_path: Path) -> None:
    readme = (CHART / "README.md").read_text()
    blocks = re.findall(r"`((?:pod: [^`]*HTTPS_PROXY|networkPolicy: [^`]*extraEgress)[^`]*)`", readme)
    assert len(blocks) == 2
    values = tmp_path / "values.yaml"
    values.write_text("\n".join(blocks))
    rendered = render(*PROD, file=values)
    for _, template in pods(rendered):
        assert "$(KUBERNETES_SERVICE_HOST)" in environment_of(template)["NO_PROXY"]["value"].split(",")
    [policy] = [item for item in rendered if item["kind"] == "NetworkPolicy" and item["metadata"]["name"] == "prod"]
    assert {"ports": [{"port": 3128}]} in policy["spec"]["egress"]
