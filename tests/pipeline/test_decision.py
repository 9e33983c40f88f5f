"""The next step of a pipeline as a function of its Jobs, and the Jobs as a function of what the API reports."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.pipeline.decision import JobStatus, PlannedStep, State, decide, needs_of, update
from jobs.pipeline.watch import Change
from jobs.steps import STEPS

NAMES = [step.name for step in STEPS]
UIDS = {f"demo-{name}": f"uid-{name}" for name in NAMES}
JOB_NAMES = frozenset(f"job-{name}" for name in NAMES)


def planned(enabled: list[str] | None = None) -> list[PlannedStep]:
    """A pipeline of these steps, with each Job named after its step."""
    needs = needs_of(STEPS, enabled or NAMES)
    return [PlannedStep(step, f"demo-{step}", f"job-{step}", before) for step, before in needs.items()]


def status(step: str, state: State) -> JobStatus:
    return JobStatus(f"job-{step}", f"demo-{step}", state)


def jobs_in(**states: State) -> dict[str, JobStatus]:
    """Jobs in these states by step; an underscore here is a dash in the step's name."""
    steps = {name.replace("_", "-"): state for name, state in states.items()}
    return {f"job-{step}": status(step, state) for step, state in steps.items()}


def job(step: str, *conditions: str, deleted: bool = False, uid: str = "") -> dict[str, Any]:
    """A Job of the API."""
    owner = {"kind": "CronJob", "name": f"demo-{step}", "uid": uid or f"uid-{step}", "controller": True}
    metadata = {"name": f"job-{step}", "ownerReferences": [owner]} | ({"deletionTimestamp": "now"} if deleted else {})
    conditions_of_job = [{"type": name, "status": "True"} for name in conditions]
    return {"metadata": metadata, "spec": {}, "status": {"conditions": conditions_of_job}}


def after(*changes: Change) -> dict[str, JobStatus]:
    """The known Jobs after these changes."""
    jobs: dict[str, JobStatus] = {}
    for change in changes:
        jobs = update(jobs, change, UIDS, JOB_NAMES)
    return jobs


def test_the_first_step_needs_nothing() -> None:
    assert decide(planned(), {}).launch == ("prepare",)


def test_independent_steps_run_at_the_same_time() -> None:
    assert decide(planned(), jobs_in(prepare="complete")).launch == ("fetch-model", "embed")


def test_a_step_waits_for_all_steps_that_it_needs() -> None:
    jobs = jobs_in(prepare="complete", fetch_model="complete", embed="complete", build="running", train="complete")
    assert decide(planned(), jobs).launch == ()
    assert set(decide(planned(), jobs | jobs_in(build="complete")).launch) == {"match"}
    assert decide(planned(), jobs | jobs_in(build="complete", match="complete")).launch == ("evaluate", "describe")


def test_a_running_step_is_not_launched_again() -> None:
    assert decide(planned(), jobs_in(prepare="running")).launch == ()


def test_nothing_is_launched_after_a_step_has_failed() -> None:
    decision = decide(planned(), jobs_in(prepare="complete", fetch_model="failed"))
    assert (decision.failed, decision.launch) == (("fetch-model",), ())


def test_a_pipeline_is_complete_when_every_step_is_complete() -> None:
    complete = {f"job-{name}": status(name, "complete") for name in NAMES}
    assert decide(planned(), complete).complete
    assert not decide(planned(), complete | jobs_in(report="running")).complete


def test_a_disabled_step_is_skipped_and_what_it_needs_is_still_needed() -> None:
    needs = needs_of(STEPS, ["prepare", "fetch-model", "evaluate"])
    assert needs == {"prepare": (), "fetch-model": ("prepare",), "evaluate": ("fetch-model", "prepare")}


@pytest.mark.parametrize("state", ["running", "terminating"])
def test_an_unfinished_job_of_the_same_step_blocks_the_step(state: State) -> None:
    jobs = {"by-hand": JobStatus("by-hand", "demo-prepare", state)}
    assert decide(planned(), jobs).launch == ()
    assert decide(planned(), jobs).blocked == {"prepare": "by-hand"}


@pytest.mark.parametrize("state", ["complete", "failed"])
def test_a_finished_job_of_the_same_step_does_not_block_the_step(state: State) -> None:
    assert decide(planned(), {"by-hand": JobStatus("by-hand", "demo-prepare", state)}).launch == ("prepare",)


@given(
    enabled=st.sets(st.sampled_from(NAMES), min_size=1),
    states=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["running", "complete", "failed", "terminating"])),
)
def test_no_step_is_launched_twice_or_before_what_it_needs(enabled: set[str], states: dict[str, State]) -> None:
    jobs = {f"job-{step}": status(step, state) for step, state in states.items()}
    steps = planned(sorted(enabled))
    needs = {step.name: step.needs for step in steps}
    for name in decide(steps, jobs).launch:
        assert name not in states
        assert all(states.get(need) == "complete" for need in needs[name])


@given(enabled=st.sets(st.sampled_from(NAMES), min_size=1), data=st.data())
def test_every_step_is_launched_once_in_any_order_of_the_ends_of_the_jobs(
    enabled: set[str], data: st.DataObject
) -> None:
    steps, launched = planned(sorted(enabled)), []
    jobs: dict[str, JobStatus] = {}
    while not (decision := decide(steps, jobs)).complete:
        for step in decision.launch:
            launched.append(step)
            jobs[f"job-{step}"] = status(step, "running")
        running = sorted(name for name, job in jobs.items() if job.state == "running")
        name = data.draw(st.sampled_from(running))
        jobs[name] = JobStatus(name, jobs[name].cronjob, "complete")
    assert sorted(launched) == sorted(enabled)


def test_the_state_of_a_job_follows_its_conditions() -> None:
    listed = Change("listed", (job("prepare", "Complete"), job("train", "Failed"), job("embed", "SuccessCriteriaMet")))
    states = {name: status.state for name, status in after(listed).items()}
    assert states == {"job-prepare": "complete", "job-train": "failed", "job-embed": "running"}


def test_a_job_without_an_owner_is_ignored() -> None:
    foreign = job("prepare")
    foreign["metadata"]["ownerReferences"] = []
    assert after(Change("listed", (foreign,))) == {}


def test_a_complete_job_stays_complete_after_its_deletion() -> None:
    complete = Change("listed", (job("prepare", "Complete"),))
    for deletion in (Change("deleted", (job("prepare", "Complete"),)), Change("listed", ())):
        assert after(complete, deletion)["job-prepare"].state == "complete"


def test_a_job_that_is_deleted_while_it_runs_ends_the_pipeline_and_is_not_launched_again() -> None:
    running = Change("listed", (job("prepare"),))
    deletions = [
        (Change("deleted", (job("prepare"),)),),
        (Change("listed", ()),),
        (Change("changed", (job("prepare", deleted=True),)), Change("deleted", (job("prepare", deleted=True),))),
    ]
    for deletion in deletions:
        decision = decide(planned(), after(running, *deletion))
        assert (decision.failed, decision.launch) == (("prepare",), ())


def test_a_job_that_is_terminating_when_the_pipeline_starts_is_launched_again_once_it_is_deleted() -> None:
    terminating = Change("listed", (job("prepare", deleted=True),))
    assert decide(planned(), after(terminating)).blocked == {"prepare": "job-prepare"}
    deleted = Change("deleted", (job("prepare", deleted=True),))
    assert decide(planned(), after(terminating, deleted)).launch == ("prepare",)


def test_a_job_whose_cronjob_was_replaced_is_terminating() -> None:
    orphan = Change("listed", (job("prepare", "Complete", uid="of-the-uninstalled-release"),))
    assert decide(planned(), after(orphan)).launch == ()


def test_a_deleted_job_of_another_template_no_longer_blocks_the_step() -> None:
    other = job("prepare")
    other["metadata"]["name"] = "by-hand"
    assert decide(planned(), after(Change("listed", (other,)))).launch == ()
    assert decide(planned(), after(Change("listed", (other,)), Change("deleted", (other,)))).launch == ("prepare",)
