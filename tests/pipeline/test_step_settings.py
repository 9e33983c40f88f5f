"""The settings of all steps are checked before the first one is launched."""

from typing import Any

import pytest

from jobs.pipeline import step_settings
from jobs.pipeline.launch import Template
from jobs.process.errors import ConfigurationError


def template(step: str, *variables: dict[str, Any], **others: Any) -> Template:
    container = {"name": step, "env": [{"name": "PGHOST", "value": "db"}, *variables], **others}
    content = {"spec": {"template": {"spec": {"containers": [container]}}}}
    return Template(step, f"demo-{step}", "uid", "", content)


def variable(name: str, value: str) -> dict[str, Any]:
    return {"name": f"SKUSCRIBE_{name}", "value": value}


def test_right_settings_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKUSCRIBE_BEAMS", "many")  # of this process, not of the step
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "none")
    step_settings.check(
        [
            template("prepare", variable("INPUT", "s3://bucket/rows.jsonl"), variable("SHARD_ROWS", "100")),
            template("describe", variable("PARTS", "2"), variable("TITLES", "")),
            template("build", variable("M", "16")),
            template("prepare"),  # its input may be in its image
        ]
    )


def test_every_wrong_setting_of_every_step_is_named() -> None:
    wrong = [
        template("build", variable("M", "40")),
        template("train"),
        template("describe", variable("PUBLISH_FROM", "0.7"), variable("FROM_AUDIT", "0.9")),
        template("prepare", variable("SHARD_ROWS", "5")),
        template("match", variable("HOLD_BACK", "7.5")),
    ]
    with pytest.raises(ConfigurationError) as caught:
        step_settings.check(wrong)
    message = str(caught.value)
    for part in (
        "step build: a setting is wrong: --ef-construction is 64, expected at least twice --m (80)",
        "step describe: a setting is wrong: --publish-from and --from-audit exclude each other",
        "step prepare: a setting is wrong: --shard-rows (SKUSCRIBE_SHARD_ROWS)",
        "step match: a setting is wrong: --hold-back (SKUSCRIBE_HOLD_BACK)",
    ):
        assert part in message
    assert "step train" not in message


def test_a_step_with_a_setting_from_a_secret_or_another_variable_is_not_checked() -> None:
    step_settings.check([template("describe", variable("BATCH", "nightly-$(RUN)"), variable("BEAMS", "many"))])
    secret = {"name": "SKUSCRIBE_INPUT", "valueFrom": {"secretKeyRef": {"name": "input", "key": "url"}}}
    step_settings.check([template("prepare", secret)])
    step_settings.check([template("prepare", envFrom=[{"secretRef": {"name": "input"}}])])
