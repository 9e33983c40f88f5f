"""The template of each job: its command, its settings, and the reactions to its exit codes."""

import json

import pytest

from jobs.local.job import SAMPLE_DEFAULTS, TINY_DEFAULTS
from jobs.pipeline.step_status import GPU_RESOURCE_ANNOTATION
from jobs.steps import STEPS, Step

from .documentation import CHART, OTHER_COMMANDS, SET_BY_THE_CHART, SHARED, UNUSED, key_of, own_settings, settings_of
from .rendering import DEMO, PROD, Manifest, environment_of, error_of, of_kind, pods, render

pytestmark = pytest.mark.slow

EACH_STEP = [pytest.param(step, id=step.name) for step in STEPS]


def job_of(manifests: list[Manifest], step: str) -> Manifest:
    found = [item for name, item in of_kind(manifests, "CronJob").items() if name.endswith(f"-{step}")]
    assert len(found) == 1
    return dict(found[0]["spec"]["jobTemplate"]["spec"])


def test_each_step_has_a_suspended_cronjob(release: list[Manifest]) -> None:
    found = of_kind(release, "CronJob")
    assert {name.split("-", 1)[1] for name in found} == {step.name for step in STEPS}
    assert all(item["spec"]["suspend"] for item in found.values())


def test_a_cronjob_with_a_schedule_is_not_suspended() -> None:
    found = of_kind(render(*PROD, "describe.schedule=0 3 * * *"), "CronJob")
    assert [name for name, item in found.items() if not item["spec"]["suspend"]] == ["prod-describe"]
    assert found["prod-describe"]["spec"]["schedule"] == "0 3 * * *"


@pytest.mark.parametrize("step", EACH_STEP)
def test_a_job_runs_the_command_of_its_step(prod: list[Manifest], step: Step) -> None:
    container = job_of(prod, step.name)["template"]["spec"]["containers"][0]
    assert container["args"] == [step.command, *step.arguments]


@pytest.mark.parametrize("step", EACH_STEP)
def test_a_job_is_indexed_if_its_step_is(prod: list[Manifest], step: Step) -> None:
    job = job_of(prod, step.name)
    assert (job.get("completionMode") == "Indexed") == (step.indexed_by is not None)
    if step.in_order:
        assert (job["parallelism"], job["maxFailedIndexes"]) == (1, 0)


@pytest.mark.parametrize("shards_at_once", [1, 4])
@pytest.mark.parametrize(("shards", "max_shards"), [(1, None), (10, None), (12, None), (10, 4), (65, 65)])
def test_a_job_by_hand_has_the_indexes_that_the_pipeline_would_set(
    shards: int, max_shards: int | None, shards_at_once: int
) -> None:
    limit = () if max_shards is None else (f"train.shards={max_shards}",)
    manifests = render(*PROD, f"shards={shards}", f"train.settings.shards_at_once={shards_at_once}", *limit)
    for step in STEPS:
        if (indexes := step.indexes(shards, max_shards, shards_at_once)) is not None:
            assert job_of(manifests, step.name)["completions"] == indexes, step.name


def test_shards_at_once_are_trained_by_as_many_pods_and_a_wait_for_the_round_before_costs_no_retry() -> None:
    manifests = render(*PROD, "train.settings.shards_at_once=4")
    train = job_of(manifests, "train")
    assert (train["parallelism"], train["maxFailedIndexes"], train["backoffLimitPerIndex"]) == (4, 0, 10)
    waits = {"action": "Ignore", "onExitCodes": {"containerName": "check", "operator": "In", "values": [75]}}
    for step in STEPS:
        job = job_of(manifests, step.name)
        assert (waits in job["podFailurePolicy"]["rules"]) == (step.name == "train")
        assert ("initContainers" in job["template"]["spec"]) == (step.name == "train")
    rules = [rule["onExitCodes"] for rule in train["podFailurePolicy"]["rules"] if rule["action"] != "Ignore"]
    assert [(rule["containerName"], rule["values"]) for rule in rules] == [
        ("check", [65]), ("check", [2, 78]), ("train", [65]), ("train", [2, 78]),
    ]  # fmt: skip
    [check], [container] = (train["template"]["spec"][kind] for kind in ("initContainers", "containers"))
    assert check == container | {"name": "check", "args": ["train", "--only-check"]}
    [pipeline] = [item for item in manifests if item["kind"] == "Job"]
    assert environment_of(pipeline["spec"]["template"])["SKUSCRIBE_SHARDS_AT_ONCE"]["value"] == "4"


def test_one_shard_at_once_is_the_default() -> None:
    one = render(*PROD, "train.settings.shards_at_once=1")
    for step in STEPS:
        rules = job_of(one, step.name)["podFailurePolicy"]["rules"]
        assert rules == job_of(render(*PROD), step.name)["podFailurePolicy"]["rules"]


@pytest.mark.parametrize(
    ("values", "workers"),
    [
        ((), 1),
        (("describe.workers=7",), 7),
        (("describe.parts=7",), 7),
        (("describe.workers=7", "describe.parts=7"), 7),
    ],
)
def test_describe_has_an_index_for_each_worker(values: tuple[str, ...], workers: int) -> None:
    """`describe.parts` is the older name of `describe.workers`."""
    describe = job_of(render(*PROD, *values), "describe")
    assert describe["completions"] == workers
    assert environment_of(describe["template"])["SKUSCRIBE_WORKERS"]["value"] == str(workers)


def test_different_numbers_of_workers_under_both_names_are_an_error() -> None:
    error = error_of(*PROD, "describe.workers=7", "describe.parts=4")
    assert "describe.workers is 7 and describe.parts, its older name, is 4: remove describe.parts" in error


def test_the_pipeline_sets_the_indexes_that_follow_from_the_catalogue(prod: list[Manifest]) -> None:
    found = {
        name.removeprefix("prod-")
        for name, item in of_kind(prod, "CronJob").items()
        if item["metadata"]["annotations"].get("skuscribe/completions") == "catalogue"
    }
    assert found == {step.name for step in STEPS if step.indexes(10) is not None}


def test_the_limit_of_the_shards_reaches_the_pipeline_and_the_jobs_that_depend_on_it() -> None:
    manifests = render(*PROD, "train.shards=4")
    limits = {name: environment_of(pod).get("SKUSCRIBE_MAX_SHARDS", {}).get("value") for name, pod in pods(manifests)}
    assert {name.rsplit("prod-", 1)[1].partition("-")[0] for name, limit in limits.items() if limit == "4"} == {
        "pipeline", "train", "evaluate", "describe", "report",
    }  # fmt: skip


@pytest.mark.parametrize("step", EACH_STEP)
def test_each_job_has_the_hash_of_its_template(prod: list[Manifest], step: Step) -> None:
    item = of_kind(prod, "CronJob")[f"prod-{step.name}"]
    template = item["spec"]["jobTemplate"]["metadata"]["annotations"]["skuscribe/template"]
    assert template == item["metadata"]["annotations"]["skuscribe/template"]


def test_limits_in_time_and_number_apply_to_the_jobs() -> None:
    values = ("train.activeDeadlineSeconds=3600", "ttlSecondsAfterFinished=0", "history.failed=0")
    item = of_kind(render(*PROD, *values), "CronJob")["prod-train"]["spec"]
    assert item["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 3600
    assert item["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] == 0
    assert (item["successfulJobsHistoryLimit"], item["failedJobsHistoryLimit"]) == (3, 0)
    without = job_of(render(*PROD), "train")
    assert not {"activeDeadlineSeconds", "ttlSecondsAfterFinished"} & set(without)


GPU_NODE_MEMORY_GIB = 12.5
"""What a g2-standard-4 (16 GB) has left for a pod on GKE, beside its system and DaemonSets."""


@pytest.mark.parametrize("step", EACH_STEP)
def test_a_job_requests_the_memory_that_it_may_use(prod: list[Manifest], step: Step) -> None:
    """Otherwise node pressure evicts it repeatedly, because an eviction costs no retry."""
    resources = job_of(prod, step.name)["template"]["spec"]["containers"][0]["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    assert float(resources["limits"]["memory"].removesuffix("Gi")) <= GPU_NODE_MEMORY_GIB


@pytest.mark.parametrize("step", EACH_STEP)
def test_the_failure_policy_follows_the_exit_codes(prod: list[Manifest], step: Step) -> None:
    job = job_of(prod, step.name)
    rules = job["podFailurePolicy"]["rules"]
    assert rules[0] == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    actions = {code: rule["action"] for rule in rules[1:] for code in rule["onExitCodes"]["values"]}
    bad_input = "FailJob" if step.indexed_by is None else "FailIndex"
    assert actions == {2: "FailJob", 65: bad_input, 78: "FailJob"}
    for rule in rules[1:]:
        assert rule["onExitCodes"]["values"] == sorted(set(rule["onExitCodes"]["values"]))
        assert rule["onExitCodes"]["containerName"] == step.name  # not that of a service mesh
    assert job["podReplacementPolicy"] == "Failed"
    assert job["template"]["spec"]["restartPolicy"] == "Never"


FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 10, 600
"""Of Kubernetes' Job controller, which doubles the delay after each failure."""


@pytest.mark.parametrize("step", EACH_STEP)
def test_the_retries_of_a_step_outlast_an_outage_of_45_minutes(prod: list[Manifest], step: Step) -> None:
    job = job_of(prod, step.name)
    retries = job["backoffLimit" if step.indexed_by is None else "backoffLimitPerIndex"]
    delays = [min(FIRST_BACKOFF_SECONDS * 2**failure, MAX_BACKOFF_SECONDS) for failure in range(retries)]
    assert sum(delays) >= 45 * 60


@pytest.mark.parametrize("step", EACH_STEP)
def test_every_variable_is_a_valid_setting_of_the_job(release: list[Manifest], step: Step) -> None:
    variables = environment_of(job_of(release, step.name)["template"])
    given = {
        name.removeprefix("SKUSCRIBE_").lower(): item["value"]
        for name, item in variables.items()
        if name.startswith("SKUSCRIBE_")
    }
    kind = settings_of(step)
    assert set(given) <= set(kind.model_fields) - {"index", "phase"}
    assert kind.model_validate(given)


@pytest.mark.parametrize("step", EACH_STEP)
def test_shared_settings_reach_the_jobs_that_have_them_and_no_others(step: Step) -> None:
    given = {name: "7" if name == "seed" else f"{name}-x" for name in SHARED}
    manifests = render(*PROD, *[f"settings.{name}={value}" for name, value in given.items()])
    variables = environment_of(job_of(manifests, step.name)["template"])
    for name, value in given.items():
        known = name in settings_of(step).model_fields
        assert (variables.get(f"SKUSCRIBE_{name.upper()}", {}).get("value") == value) == known, name


@pytest.mark.parametrize("step", EACH_STEP)
def test_the_schema_has_every_setting_of_a_job(step: Step) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["$defs"]
    known = set(schema[f"{key_of(step.name)}Settings"]["properties"]) | set(schema["sharedSettings"]["properties"])
    elsewhere = {*SET_BY_THE_CHART, *OTHER_COMMANDS, *UNUSED.get(step.name, ())}
    assert set(settings_of(step).model_fields) - elsewhere <= known
    assert set(own_settings(step)) <= known


@pytest.mark.parametrize("step", EACH_STEP)
def test_the_chart_sets_every_setting_that_its_values_do_not_have(step: Step) -> None:
    job = job_of(render(*PROD, "train.shards=4"), step.name)
    variables, arguments = environment_of(job["template"]), job["template"]["spec"]["containers"][0]["args"]
    for name in set(SET_BY_THE_CHART) & set(settings_of(step).model_fields) - {"index"}:  # Kubernetes sets the index
        assert f"SKUSCRIBE_{name.upper()}" in variables or f"--{name}" in arguments, name


def test_a_catalogue_with_another_number_of_shards_can_be_refused() -> None:
    variables = environment_of(job_of(render(*PROD, "prepare.settings.expected_shards=65"), "prepare")["template"])
    assert variables["SKUSCRIBE_EXPECTED_SHARDS"]["value"] == "65"


def test_large_numbers_are_not_rendered_in_scientific_notation() -> None:
    manifests = render(*PROD, "prepare.settings.max_row_bytes=16777216", "train.settings.learning_rate=0.0003")
    assert environment_of(job_of(manifests, "prepare")["template"])["SKUSCRIBE_MAX_ROW_BYTES"]["value"] == "16777216"
    assert environment_of(job_of(manifests, "train")["template"])["SKUSCRIBE_LEARNING_RATE"]["value"] == "0.0003"


def test_a_signed_input_address_can_come_from_a_secret() -> None:
    """In `prepare.settings.input` it would be in the manifests of the release."""
    reference = "prepare.pod.extraEnv[0].valueFrom.secretKeyRef"
    values = ("prepare.pod.extraEnv[0].name=SKUSCRIBE_INPUT", f"{reference}.name=input", f"{reference}.key=url")
    manifests = render(*[value for value in PROD if not value.startswith("prepare.")], *values)
    found = environment_of(job_of(manifests, "prepare")["template"])["SKUSCRIBE_INPUT"]
    assert found["valueFrom"]["secretKeyRef"] == {"name": "input", "key": "url"}


def test_messages_of_a_job_can_name_its_cronjob_and_namespace(prod: list[Manifest]) -> None:
    variables = environment_of(job_of(prod, "train")["template"])
    assert variables["CRONJOB_PREFIX"]["value"] == "prod"
    assert variables["CRONJOB_NAMESPACE"]["value"] == "somewhere"


def test_the_settings_of_a_job_take_precedence_over_those_of_the_demo() -> None:
    variables = environment_of(job_of(render(*DEMO, "prepare.settings.shard_rows=99"), "prepare")["template"])
    assert variables["SKUSCRIBE_SHARD_ROWS"]["value"] == "99"
    assert variables["SKUSCRIBE_INPUT"]["value"] == "s3://skuscribe/raw/sample.jsonl.gz"


@pytest.mark.parametrize("values", ["train.settings", "demo.settings.train"])
def test_a_batch_size_in_tokens_replaces_the_one_in_rows_of_the_demo(values: str) -> None:
    manifests = render(*DEMO, f"{values}.target_tokens_per_batch=2048")
    variables = environment_of(job_of(manifests, "train")["template"])
    assert variables["SKUSCRIBE_TARGET_TOKENS_PER_BATCH"]["value"] == "2048"
    assert "SKUSCRIBE_BATCH_ROWS" not in variables


def test_a_setting_of_a_job_changes_the_template_of_that_job_only(prod: list[Manifest]) -> None:
    changed = render(*PROD, "describe.settings.beams=4")
    before, after = of_kind(prod, "CronJob"), of_kind(changed, "CronJob")
    assert [name for name in before if before[name] != after[name]] == ["prod-describe"]


def test_where_the_pods_of_one_job_run_changes_no_other_job(prod: list[Manifest]) -> None:
    changed = render(*PROD, "build.pod.nodeSelector.pool=cpu", "build.pod.extraEnv[0].name=A")
    before, after = of_kind(prod, "CronJob"), of_kind(changed, "CronJob")
    assert [name for name in before if before[name] != after[name]] == ["prod-build"]


@pytest.mark.parametrize(
    "value",
    ["demo.sampleRows=3000", "demo.secret=x", "demo.storage=11Gi", "demo.servicesResources.limits.memory=4Gi"],
)
def test_every_job_is_launched_again_if_the_services_of_the_demo_lose_their_data(
    demo: list[Manifest], value: str
) -> None:
    """They lose it whenever another pod replaces their own, unless it is on a claim."""

    def templates(manifests: list[Manifest]) -> dict[str, str]:
        found = of_kind(manifests, "CronJob")
        return {name: item["metadata"]["annotations"]["skuscribe/template"] for name, item in found.items()}

    before, after = templates(demo), templates(render(*DEMO, value))
    assert all(before[name] != after[name] for name in before)
    claim = (*DEMO, "demo.existingClaim=data")
    assert templates(render(*claim)) == templates(render(*claim, value))


def test_only_jobs_that_run_a_large_model_request_gpus(prod: list[Manifest], demo: list[Manifest]) -> None:
    def with_gpu(manifests: list[Manifest]) -> set[str]:
        jobs = {step.name: job_of(manifests, step.name) for step in STEPS}
        limits = {name: job["template"]["spec"]["containers"][0]["resources"]["limits"] for name, job in jobs.items()}
        return {name for name, item in limits.items() if "nvidia.com/gpu" in item}

    assert with_gpu(prod) == {"train", "evaluate", "describe"}
    assert with_gpu(demo) == set()
    assert with_gpu(render(*DEMO, "demo.gpus=1", "evaluate.gpus=0", "describe.gpus=0")) == {"train"}


@pytest.mark.parametrize("resource", ["nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "gpu.intel.com/i915", "cloud/tpu-v5"])
def test_the_cronjobs_with_a_gpu_name_its_resource(resource: str) -> None:
    """`skuscribe status` counts GPU hours by it."""
    manifests = render(*PROD, f"gpuResource={resource}")
    named = {
        name: item["metadata"]["annotations"][GPU_RESOURCE_ANNOTATION]
        for name, item in of_kind(manifests, "CronJob").items()
        if GPU_RESOURCE_ANNOTATION in item["metadata"]["annotations"]
    }
    assert named == dict.fromkeys(("prod-train", "prod-evaluate", "prod-describe"), resource)
    assert job_of(manifests, "train")["template"]["spec"]["containers"][0]["resources"]["limits"][resource] == 1


def test_every_job_has_the_label_of_its_kueue_queue() -> None:
    for item in of_kind(render(*PROD, "kueue.queue=gpus"), "CronJob").values():
        assert item["spec"]["jobTemplate"]["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"


def test_the_demo_has_the_settings_of_the_local_run() -> None:
    manifests = render(*DEMO)
    given: dict[str, str] = {}
    for step in STEPS:
        variables = environment_of(job_of(manifests, step.name)["template"])
        given |= {name.removeprefix("SKUSCRIBE_"): str(item.get("value")) for name, item in variables.items()}
    wanted = SAMPLE_DEFAULTS | TINY_DEFAULTS
    del wanted["PART_ROWS"]  # in the demo, one pod describes all titles
    assert {name: given.get(name) for name in wanted} == wanted


def test_training_with_retrieved_neighbours_gets_postgres_and_waits_for_the_index() -> None:
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
