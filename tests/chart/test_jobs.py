"""Each job's template: what it runs, with which settings, and what its exit codes mean to the cluster."""

import pytest

from jobs import steps as plan

from .documentation import SET_BY_THE_CHART, SHARED, key_of, own_settings, settings_of
from .rendering import DEMO, PROD, Manifest, environment_of, of_kind, render

STEPS = [pytest.param(step, id=step.name) for step in plan.STEPS]


def job_of(manifests: list[Manifest], step: str) -> Manifest:
    found = [item for name, item in of_kind(manifests, "CronJob").items() if name.endswith(f"-{step}")]
    assert len(found) == 1
    return dict(found[0]["spec"]["jobTemplate"]["spec"])


def test_there_is_a_suspended_cronjob_for_each_step_and_none_besides(release: list[Manifest]) -> None:
    found = of_kind(release, "CronJob")
    assert {name.split("-", 1)[1] for name in found} == {step.name for step in plan.STEPS}
    assert all(item["spec"]["suspend"] for item in found.values())


def test_a_schedule_opens_it() -> None:
    found = of_kind(render(*PROD, "describe.schedule=0 3 * * *"), "CronJob")
    assert [name for name, item in found.items() if not item["spec"]["suspend"]] == ["prod-describe"]
    assert found["prod-describe"]["spec"]["schedule"] == "0 3 * * *"


@pytest.mark.parametrize("step", STEPS)
def test_it_runs_the_step_s_command(prod: list[Manifest], step: plan.Step) -> None:
    container = job_of(prod, step.name)["template"]["spec"]["containers"][0]
    assert container["args"] == [step.command, *step.arguments]


@pytest.mark.parametrize("step", STEPS)
def test_it_is_indexed_where_the_step_has_parts(prod: list[Manifest], step: plan.Step) -> None:
    job = job_of(prod, step.name)
    assert (job.get("completionMode") == "Indexed") == (step.parts != "one")
    if step.in_order:
        assert (job["parallelism"], job["maxFailedIndexes"]) == (1, 0)


def test_indexes_are_counted_from_the_shards() -> None:
    found = render(*PROD, "shards=10", "describe.parts=7")
    assert [job_of(found, step)["completions"] for step in ("embed", "train", "evaluate", "describe")] == [
        11,
        10,
        13,
        7,
    ]
    assert environment_of(job_of(found, "prepare")["template"])["SKUSCRIBE_EXPECTED_SHARDS"]["value"] == "10"
    assert environment_of(job_of(found, "describe")["template"])["SKUSCRIBE_PARTS"]["value"] == "7"
    fewer = render(*PROD, "shards=10", "train.shards=4")
    assert [job_of(fewer, step)["completions"] for step in ("embed", "train", "evaluate")] == [11, 4, 6]
    assert environment_of(job_of(fewer, "describe")["template"])["SKUSCRIBE_SHARD"]["value"] == "3"


@pytest.mark.parametrize("step", STEPS)
def test_every_exit_code_means_what_the_errors_say(prod: list[Manifest], step: plan.Step) -> None:
    job = job_of(prod, step.name)
    rules = job["podFailurePolicy"]["rules"]
    assert rules[0] == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    actions = {code: rule["action"] for rule in rules[1:] for code in rule["onExitCodes"]["values"]}
    bad_input = "FailJob" if step.parts == "one" else "FailIndex"
    assert actions == {2: "FailJob", 65: bad_input, 78: "FailJob"}
    for rule in rules[1:]:
        assert rule["onExitCodes"]["values"] == sorted(set(rule["onExitCodes"]["values"]))
    assert job["podReplacementPolicy"] == "Failed"
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert job["backoffLimit" if step.parts == "one" else "backoffLimitPerIndex"] >= 6


@pytest.mark.parametrize("step", STEPS)
def test_every_variable_of_ours_is_a_setting_of_the_job_that_it_takes(release: list[Manifest], step: plan.Step) -> None:
    variables = environment_of(job_of(release, step.name)["template"])
    given = {
        name.removeprefix("SKUSCRIBE_").lower(): item["value"]
        for name, item in variables.items()
        if name.startswith("SKUSCRIBE_")
    }
    kind = settings_of(step)
    assert set(given) <= set(kind.model_fields) - {"index", "phase"}
    assert kind.model_validate(given)


@pytest.mark.parametrize("step", STEPS)
def test_shared_settings_reach_the_jobs_that_know_them_and_no_other(step: plan.Step) -> None:
    given = {name: "7" if name == "seed" else f"{name}-x" for name in SHARED}
    manifests = render(*PROD, *[f"settings.{name}={value}" for name, value in given.items()])
    variables = environment_of(job_of(manifests, step.name)["template"])
    for name, value in given.items():
        known = name in settings_of(step).model_fields
        assert (variables.get(f"SKUSCRIBE_{name.upper()}", {}).get("value") == value) == known, name


@pytest.mark.parametrize("step", STEPS)
def test_every_setting_of_a_job_can_be_given(step: plan.Step) -> None:
    import json

    from .documentation import CHART

    schema = json.loads((CHART / "values.schema.json").read_text())["$defs"]
    known = set(schema[f"{key_of(step.name)}Settings"]["properties"]) | set(schema["sharedSettings"]["properties"])
    assert set(settings_of(step).model_fields) - set(SET_BY_THE_CHART) <= known
    assert set(own_settings(step)) <= known


def test_a_number_is_written_as_people_write_it() -> None:
    manifests = render(*PROD, "prepare.settings.max_row_bytes=16777216", "train.settings.learning_rate=0.0003")
    assert environment_of(job_of(manifests, "prepare")["template"])["SKUSCRIBE_MAX_ROW_BYTES"]["value"] == "16777216"
    assert environment_of(job_of(manifests, "train")["template"])["SKUSCRIBE_LEARNING_RATE"]["value"] == "0.0003"


def test_the_user_s_settings_beat_the_demo_s() -> None:
    variables = environment_of(job_of(render(*DEMO, "prepare.settings.shard_rows=99"), "prepare")["template"])
    assert variables["SKUSCRIBE_SHARD_ROWS"]["value"] == "99"
    assert variables["SKUSCRIBE_INPUT"]["value"] == "s3://skuscribe/raw/sample.jsonl.gz"


def test_a_setting_of_one_job_changes_the_template_of_that_job_alone(prod: list[Manifest]) -> None:
    changed = render(*PROD, "describe.settings.beams=4")
    before, after = of_kind(prod, "CronJob"), of_kind(changed, "CronJob")
    assert [name for name in before if before[name] != after[name]] == ["prod-describe"]


def test_gpus_are_asked_for_where_models_run_and_nowhere_else(prod: list[Manifest], demo: list[Manifest]) -> None:
    def with_gpu(manifests: list[Manifest]) -> set[str]:
        jobs = {step.name: job_of(manifests, step.name) for step in plan.STEPS}
        limits = {name: job["template"]["spec"]["containers"][0]["resources"]["limits"] for name, job in jobs.items()}
        return {name for name, item in limits.items() if "nvidia.com/gpu" in item}

    assert with_gpu(prod) == {"train", "evaluate", "describe"}
    assert with_gpu(demo) == set()
    assert with_gpu(render(*DEMO, "demo.gpus=1", "evaluate.gpus=0", "describe.gpus=0")) == {"train"}


def test_kueue_finds_its_label_on_every_job() -> None:
    for item in of_kind(render(*PROD, "kueue.queue=gpus"), "CronJob").values():
        assert item["spec"]["jobTemplate"]["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"


def test_the_demo_is_the_local_run_s_sample() -> None:
    from jobs.local.job import SAMPLE_DEFAULTS, TINY_DEFAULTS

    manifests = render(*DEMO)
    given: dict[str, str] = {}
    for step in plan.STEPS:
        variables = environment_of(job_of(manifests, step.name)["template"])
        given |= {name.removeprefix("SKUSCRIBE_"): str(item.get("value")) for name, item in variables.items()}
    wanted = SAMPLE_DEFAULTS | TINY_DEFAULTS
    parts = {"PART_ROWS"}  # one pod describes the few titles of the demo
    assert {name: given.get(name) for name in wanted if name not in parts} == {
        name: value for name, value in wanted.items() if name not in parts
    }


def test_a_training_that_shows_neighbours_reaches_postgres_and_the_pipeline_lets_it_wait() -> None:
    def found(*values: str) -> tuple[bool, bool, bool]:
        manifests = render(*PROD, *values)
        policy = of_kind(manifests, "NetworkPolicy")["prod-postgres"]["spec"]["podSelector"]["matchExpressions"][0]
        [pipeline] = [job for name, job in of_kind(manifests, "Job").items() if name.startswith("prod-pipeline-")]
        return (
            "PGHOST" in environment_of(job_of(manifests, "train")["template"]),
            "train" in policy["values"],
            environment_of(pipeline["spec"]["template"]).get("SKUSCRIBE_RETRIEVAL_SHARE", {}).get("value") == "0.5",
        )

    assert found("train.settings.retrieval_share=0.5") == (True, True, True)
    assert found("train.settings.retrieval_share=0") == found() == (False, False, False)
