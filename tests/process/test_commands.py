"""Messages name the commands of the place where they are read."""

import pytest

from jobs.process.commands import in_this_place

MESSAGE = "catalogue/main does not exist yet: `skuscribe prepare --catalogue main` makes it"


def test_on_one_machine_a_message_names_the_command_of_skuscribe() -> None:
    assert in_this_place(MESSAGE, {}) == MESSAGE


@pytest.mark.parametrize(
    ("command", "step"),
    [
        ("prepare --catalogue main", "prepare"),
        ("fetch-model", "fetch-model"),
        ("index --catalogue main", "build"),
        ("index --phase embed --catalogue main", "embed"),
        ("index --phase build --catalogue main", "build"),
        ("train --run main --index 3", "train"),
    ],
)
def test_in_a_pod_a_message_names_the_job_of_the_step(command: str, step: str) -> None:
    release = {"CRONJOB_PREFIX": "prod", "CRONJOB_NAMESPACE": "shop"}
    found = in_this_place(f"run `skuscribe {command}`, then go", release)
    assert found == f"run `kubectl -n shop create job --from=cronjob/prod-{step} {step}-$(date +%s)`, then go"


def test_other_commands_are_left_as_they_are() -> None:
    message = "`skuscribe artifacts` lists them"
    assert in_this_place(message, {"CRONJOB_PREFIX": "prod", "CRONJOB_NAMESPACE": "shop"}) == message
