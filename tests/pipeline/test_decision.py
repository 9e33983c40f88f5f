"""What comes next, as a function of what is seen; and what is seen, as a function of what the API tells."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import steps as plan
from jobs.pipeline.decision import SeenJob, State, Wanted, decide, needs_among, observe
from jobs.pipeline.watch import Change

NAMES = [step.name for step in plan.STEPS]
UIDS = {f"demo-{name}": f"uid-{name}" for name in NAMES}
JOB_NAMES = frozenset(f"job-{name}" for name in NAMES)


def wanted(enabled: list[str] | None = None) -> list[Wanted]:
    """What a pipeline of these steps wants, each Job called after its step."""
    needs = needs_among(plan.STEPS, enabled or NAMES)
    return [Wanted(step, f"demo-{step}", f"job-{step}", before) for step, before in needs.items()]


def seen(**states: State) -> dict[str, SeenJob]:
    """Jobs in these states, by step; a step's dash is an underscore here."""
    steps = {name.replace("_", "-"): state for name, state in states.items()}
    return {f"job-{step}": SeenJob(f"job-{step}", f"demo-{step}", state) for step, state in steps.items()}


def job(step: str, *conditions: str, deleted: bool = False, uid: str = "") -> dict[str, Any]:
    """A Job as the API tells of it."""
    owner = {"kind": "CronJob", "name": f"demo-{step}", "uid": uid or f"uid-{step}", "controller": True}
    metadata = {"name": f"job-{step}", "ownerReferences": [owner]} | ({"deletionTimestamp": "now"} if deleted else {})
    status = {"conditions": [{"type": name, "status": "True"} for name in conditions]}
    return {"metadata": metadata, "spec": {}, "status": status}


def test_at_first_only_what_needs_nothing() -> None:
    assert decide(wanted(), {}).launch == ("prepare",)


def test_steps_that_do_not_need_each_other_run_side_by_side() -> None:
    assert decide(wanted(), seen(prepare="complete")).launch == ("fetch-model", "embed")


def test_a_step_waits_for_all_that_it_needs() -> None:
    jobs = seen(prepare="complete", fetch_model="complete", embed="complete", build="running", train="complete")
    assert decide(wanted(), jobs).launch == ()
    assert set(decide(wanted(), jobs | seen(build="complete")).launch) == {"evaluate", "describe"}


def test_what_was_launched_is_not_launched_again() -> None:
    assert decide(wanted(), seen(prepare="running")).launch == ()


def test_a_failed_step_ends_everything_and_launches_nothing() -> None:
    decision = decide(wanted(), seen(prepare="complete", fetch_model="failed"))
    assert (decision.ended, decision.launch) == (("fetch-model",), ())


def test_it_is_complete_when_every_step_is() -> None:
    everything = {f"job-{name}": SeenJob(f"job-{name}", f"demo-{name}", "complete") for name in NAMES}
    assert decide(wanted(), everything).complete
    assert not decide(wanted(), everything | seen(report="running")).complete


def test_a_step_that_is_not_enabled_is_passed_over_and_what_stood_before_it_still_counts() -> None:
    needs = needs_among(plan.STEPS, ["prepare", "fetch-model", "evaluate"])
    assert needs == {"prepare": (), "fetch-model": ("prepare",), "evaluate": ("fetch-model", "prepare")}


@pytest.mark.parametrize("state", ["running", "leaving"])
def test_another_job_of_the_same_step_is_waited_for(state: State) -> None:
    jobs = {"by-hand": SeenJob("by-hand", "demo-prepare", state)}
    assert decide(wanted(), jobs).launch == ()
    assert decide(wanted(), jobs).held == {"prepare": "by-hand"}


@pytest.mark.parametrize("state", ["complete", "failed"])
def test_another_job_of_the_same_step_that_has_ended_is_not(state: State) -> None:
    assert decide(wanted(), {"by-hand": SeenJob("by-hand", "demo-prepare", state)}).launch == ("prepare",)


@given(
    enabled=st.sets(st.sampled_from(NAMES), min_size=1),
    states=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["running", "complete", "failed", "leaving"])),
)
def test_whatever_is_seen_nothing_is_launched_twice_nor_before_its_inputs(
    enabled: set[str], states: dict[str, State]
) -> None:
    jobs = {f"job-{step}": SeenJob(f"job-{step}", f"demo-{step}", state) for step, state in states.items()}
    items = wanted(sorted(enabled))
    needs = {item.step: item.needs for item in items}
    for step in decide(items, jobs).launch:
        assert step not in states
        assert all(states.get(need) == "complete" for need in needs[step])


@given(enabled=st.sets(st.sampled_from(NAMES), min_size=1), data=st.data())
def test_whichever_job_ends_first_every_step_is_launched_once(enabled: set[str], data: st.DataObject) -> None:
    items, launched = wanted(sorted(enabled)), []
    jobs: dict[str, SeenJob] = {}
    while not (decision := decide(items, jobs)).complete:
        for step in decision.launch:
            launched.append(step)
            jobs[f"job-{step}"] = SeenJob(f"job-{step}", f"demo-{step}", "running")
        running = sorted(name for name, item in jobs.items() if item.state == "running")
        name = data.draw(st.sampled_from(running))
        jobs[name] = SeenJob(name, jobs[name].cronjob, "complete")
    assert sorted(launched) == sorted(enabled)


def after(*changes: Change) -> dict[str, SeenJob]:
    known: dict[str, SeenJob] = {}
    for change in changes:
        known = observe(known, change, UIDS, JOB_NAMES)
    return known


def test_the_conditions_of_a_job_say_how_it_is() -> None:
    listed = Change("listed", (job("prepare", "Complete"), job("train", "Failed"), job("embed", "SuccessCriteriaMet")))
    states = {name: item.state for name, item in after(listed).items()}
    assert states == {"job-prepare": "complete", "job-train": "failed", "job-embed": "running"}


def test_a_job_that_another_owner_made_is_none_of_ours() -> None:
    stranger = job("prepare")
    stranger["metadata"]["ownerReferences"] = []
    assert after(Change("listed", (stranger,))) == {}


def test_what_was_complete_stays_so_when_its_job_is_removed() -> None:
    done = Change("listed", (job("prepare", "Complete"),))
    for gone in (Change("deleted", (job("prepare", "Complete"),)), Change("listed", ())):
        assert after(done, gone)["job-prepare"].state == "complete"


def test_a_job_that_somebody_removes_while_it_runs_ends_the_pipeline_and_is_not_started_again() -> None:
    running = Change("listed", (job("prepare"),))
    ways = [
        (Change("deleted", (job("prepare"),)),),
        (Change("listed", ()),),
        (Change("changed", (job("prepare", deleted=True),)), Change("deleted", (job("prepare", deleted=True),))),
    ]
    for way in ways:
        decision = decide(wanted(), after(running, *way))
        assert (decision.ended, decision.launch) == (("prepare",), ())


def test_a_job_that_is_on_its_way_out_when_the_pipeline_begins_is_awaited_and_then_made_anew() -> None:
    leaving = Change("listed", (job("prepare", deleted=True),))
    assert decide(wanted(), after(leaving)).held == {"prepare": "job-prepare"}
    gone = Change("deleted", (job("prepare", deleted=True),))
    assert decide(wanted(), after(leaving, gone)).launch == ("prepare",)


def test_so_is_one_whose_cronjob_was_replaced_by_a_new_one_of_its_name() -> None:
    orphan = Change("listed", (job("prepare", "Complete", uid="of-the-uninstalled-release"),))
    assert decide(wanted(), after(orphan)).launch == ()


def test_a_removed_job_of_another_template_holds_nothing_back_any_more() -> None:
    other = job("prepare")
    other["metadata"]["name"] = "by-hand"
    assert decide(wanted(), after(Change("listed", (other,)))).launch == ()
    assert decide(wanted(), after(Change("listed", (other,)), Change("deleted", (other,)))).launch == ("prepare",)
