"""The names of a pipeline's Jobs: they change when the step has to run again, and only then."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.pipeline.decision import needs_of
from jobs.pipeline.launch import Template, job_of, template_of
from jobs.pipeline.plan import job_name, plan
from jobs.steps import STEPS

LABELS = {"app.kubernetes.io/name": "skuscribe", "app.kubernetes.io/instance": "demo"}
NAMES = [step.name for step in STEPS]
AFTER = {
    name: {step.name for step in STEPS if name in step.needs} for name in NAMES
}  # the steps that need a step directly


def template(step: str, image: str = "1", completions: int = 3, by_catalogue: bool = False, **spec: Any) -> Template:
    """The template of a step; `image` distinguishes two revisions."""
    pod = {"spec": {"containers": [{"name": step, "image": image}]}}
    job = {"metadata": {"labels": LABELS}, "spec": {"template": pod, "completions": completions, **spec}}
    annotations = {"skuscribe/completions": "catalogue"} if by_catalogue else {}
    metadata = {"name": f"demo-{step}", "uid": f"uid-{step}", "annotations": annotations}
    return template_of({"metadata": metadata, "spec": {"jobTemplate": job}}, step)


def templates(**images: str) -> dict[str, Template]:
    """The templates of all steps, with these images by step."""
    return {name: template(name, images.get(name.replace("-", "_"), "1")) for name in NAMES}


def planned(
    chosen: Mapping[str, Template], *jobs: Any, run: str = "main", steps: list[str] | None = None
) -> dict[str, str]:
    """The name of each step's Job."""
    return {step.name: step.job for step in plan(chosen, needs_of(STEPS, steps or NAMES), run, jobs)}


def made(chosen: Mapping[str, Template], names: Mapping[str, str], created: str) -> list[Any]:
    """The Jobs that a pipeline has created from these templates at a time."""
    jobs = [job_of(chosen[step], name) for step, name in names.items()]
    for job in jobs:
        job["metadata"]["creationTimestamp"] = created
    return jobs


def followers(step: str) -> set[str]:
    """A step and all that need it, directly or not."""
    return {step}.union(*(followers(after) for after in AFTER[step]))


@pytest.mark.parametrize("step", NAMES)
def test_a_changed_step_and_all_that_need_it_get_new_jobs_and_no_others(step: str) -> None:
    before, after = planned(templates()), planned(templates(**{step.replace("-", "_"): "2"}))
    assert {name for name in NAMES if before[name] != after[name]} == followers(step)


def test_the_report_runs_again_after_describe_was_added() -> None:
    before = planned(templates(), steps=[name for name in NAMES if name != "describe"])
    after = planned(templates())
    assert {name for name in before if before[name] != after[name]} == {"report"}


def test_the_same_templates_give_the_same_names() -> None:
    first = planned(templates())
    assert planned(templates(), *made(templates(), first, "2026-06-01T00:00:00Z")) == first


def test_another_run_gets_other_jobs() -> None:
    first, second = planned(templates()), planned(templates(), run="second")
    assert not set(first.values()) & set(second.values())


def test_a_rollback_runs_the_changed_step_and_all_that_need_it_again() -> None:
    first, second = templates(), templates(build="2")
    jobs = made(first, planned(first), "2026-06-01T00:00:00Z")
    new = {step: name for step, name in planned(second, *jobs).items() if name not in planned(first).values()}
    jobs += made(second, new, "2026-06-02T00:00:00Z")
    rolled_back = planned(first, *jobs)
    assert {step for step in NAMES if rolled_back[step] != planned(first)[step]} == followers("build")
    assert not set(new.values()) & set(rolled_back.values())
    again = {step: rolled_back[step] for step in followers("build")}
    jobs += made(first, again, "2026-06-03T00:00:00Z")
    assert planned(first, *jobs) == rolled_back, "a restarted pipeline finds what it has launched"
    assert set(planned(second, *jobs).values()).isdisjoint(new[step] for step in followers("build"))


def test_a_job_by_hand_from_the_same_template_changes_no_name() -> None:
    first = planned(templates())
    jobs = made(templates(), first, "2026-06-01T00:00:00Z")
    by_hand = job_of(template("describe"), "one-more")
    by_hand["metadata"]["creationTimestamp"] = "2026-06-02T00:00:00Z"
    assert planned(templates(), *jobs, by_hand) == first


def test_a_newer_job_of_an_uninstalled_release_changes_no_name() -> None:
    first = planned(templates())
    jobs = made(templates(), first, "2026-06-01T00:00:00Z")
    other = job_of(template("describe", image="2"), "other")
    other["metadata"] |= {"creationTimestamp": "2026-06-02T00:00:00Z"}
    other["metadata"]["ownerReferences"][0]["uid"] = "gone"
    assert planned(templates(), *jobs, other) == first


def test_the_name_does_not_depend_on_what_the_pipeline_sets_itself() -> None:
    name = job_name(template("train", by_catalogue=True), "main")
    assert job_name(template("train", completions=65, by_catalogue=True), "main") == name
    assert job_name(template("train", by_catalogue=True, ttlSecondsAfterFinished=60), "main") == name
    assert job_name(template("train", by_catalogue=True, parallelism=2), "main") != name
    assert job_name(template("describe", completions=4), "main") != job_name(template("describe"), "main")


def test_the_name_is_the_cronjobs_name_and_eight_digits_of_a_hash() -> None:
    name = job_name(template("train"), "main")
    assert name == "demo-train-" + name[-8:]
    int(name[-8:], 16)


@given(length=st.integers(1, 52), completions=st.integers(1, 100_000), by_catalogue=st.booleans())
def test_the_host_name_of_the_last_index_is_short_enough(length: int, completions: int, by_catalogue: bool) -> None:
    name = job_name(template("x" * (length - 5 if length > 5 else 1), "1", completions, by_catalogue), "main")
    assert len(f"{name}-{completions - 1}") <= 63


def test_two_long_names_that_are_truncated_alike_still_differ() -> None:
    assert job_name(template("x" * 46 + "a"), "main") != job_name(template("x" * 46 + "b"), "main")
