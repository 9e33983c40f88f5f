"""Values: few, explained, and refused where they are wrong."""

import re
from pathlib import Path

import pytest
import yaml

from jobs import steps as plan

from . import documentation
from .documentation import CHART
from .rendering import DEMO, HELM, PROD, helm, refused, render

VALUES = (CHART / "values.yaml").read_text()
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))


def test_helm_is_there() -> None:
    assert HELM.exists(), "make .venv/helm"


def test_lint_is_clean() -> None:
    done = helm("lint", "--strict", str(CHART), *[word for value in PROD for word in ("--set", value)])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda path: path.stem)
def test_lint_of_each_example_is_clean(file: Path) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_about_250_lines_of_values() -> None:
    assert len(VALUES.splitlines()) <= 262


def test_every_value_has_a_sentence() -> None:
    explained = {item.path for item in documentation.values(VALUES)}

    def unexplained(tree: object, path: str) -> list[str]:
        if path in explained or not isinstance(tree, dict):
            return [] if path in explained else [path]
        return [name for key, value in tree.items() for name in unexplained(value, f"{path}.{key}".strip("."))]

    assert unexplained(yaml.safe_load(VALUES), "") == []
    assert all(item.sentence.endswith(".") for item in documentation.values(VALUES))


def test_readme_and_schema_say_what_values_and_jobs_say() -> None:
    for name, make in (("README.md", documentation.readme), ("values.schema.json", documentation.schema)):
        text = (CHART / name).read_text()
        assert make(text) == text, f"{name} is not what values.yaml and the jobs say: make chart"


def test_the_schema_knows_every_value() -> None:
    import json

    schema = json.loads((CHART / "values.schema.json").read_text())
    for key, value in yaml.safe_load(VALUES).items():
        properties = schema["properties"][key].get("properties")
        assert properties is None or set(properties) >= set(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("demo.enable=true", "'enable' not allowed"),
        ("trian.gpus=1", "'trian' not allowed"),
        ("train.setings.recipe=fast", "'setings' not allowed"),
        ("train.settings.recipe=fsat", "must be one of"),
        ("train.settings.target_tokens=5", "'target_tokens' not allowed"),
        ("train.settings.index=5", "'index' not allowed"),
        ("train.settings.epochs=many", "/train/settings/epochs"),
        ("settings.catalog=x", "'catalog' not allowed"),
        ("prepare.settings.shard_rows=5", "minimum: got 5, want 10"),
        ("shards=0", "minimum: got 0, want 1"),
        ("shards=many", "got string, want integer"),
        ("pod.nodeSelectr.a=b", "'nodeSelectr' not allowed"),
        ("pod.extraEnv[0].nam=b", "/pod/extraEnv/0"),
        ("train.pod.tolerations=x", "got string, want array"),
        ("image.digest=latest", "/image/digest"),
        ("store.url=https://bucket", "/store/url"),
        ("store.roleArn=skuscribe", "/store/roleArn"),
        ("postgres.port=99999", "maximum: got 99,999"),
        ("pipeline.steps={train,tarin}", "/pipeline/steps/1"),
        ("train.resources.limit.cpu=1", "'limit' not allowed"),
        ("train.tmp=20GB", "/train/tmp"),
        ("train.schedule=nightly", "/train/schedule"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(value: str, said: str) -> None:
    assert said in refused(*PROD, value)


@pytest.mark.parametrize("missing", ["store.url", "postgres.host", "postgres.existingSecret", "prepare.settings.input"])
def test_what_is_needed_is_asked_for_by_name(missing: str) -> None:
    given = [value for value in PROD if not value.startswith(f"{missing}=")]
    assert re.search(rf"{re.escape(missing)} is needed", refused(*given))


def test_the_demo_needs_nothing() -> None:
    assert len(render(*DEMO)) > len(plan.STEPS)


def test_what_the_readme_asks_for_is_enough(tmp_path: Path) -> None:
    block = (CHART / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    file = tmp_path / "my-values.yaml"
    file.write_text(block)
    assert len(render(file=file)) > len(plan.STEPS)
