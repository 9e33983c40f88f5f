"""Runs: the configuration of a run is frozen by its first job."""

import json

import pytest

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import runs
from jobs.storage.store import Store


def test_the_first_job_of_a_run_freezes_its_configuration(store: Store) -> None:
    runs.freeze(store, "main", {"catalogue": "main", "recipe": "fast"})
    runs.freeze(store, "main", {"recipe": "fast", "catalogue": "main"})
    assert runs.read_config(store, "main") == {"catalogue": "main", "recipe": "fast"}
    assert json.loads(store.read("runs/main/run.json") or b"") == {"catalogue": "main", "recipe": "fast"}


def test_another_configuration_is_refused_with_each_difference(store: Store) -> None:
    runs.freeze(store, "main", {"catalogue": "main", "recipe": "fast"})
    with pytest.raises(ConfigurationError, match="catalogue was 'main', now 'other'; seed was None, now 13"):
        runs.freeze(store, "main", {"catalogue": "other", "recipe": "fast", "seed": 13})
    assert runs.read_config(store, "main") == {"catalogue": "main", "recipe": "fast"}


def test_what_does_not_exist_yet_names_the_command_that_makes_it(store: Store) -> None:
    with pytest.raises(NotReadyError, match="`skuscribe train --run main` starts it"):
        runs.read_config(store, "main")
    with pytest.raises(NotReadyError, match="`skuscribe train --run main --index 3` makes it"):
        runs.trained_shard(store, "main", 3)
    with pytest.raises(NotReadyError, match="`skuscribe fetch-model --model base` makes it"):
        runs.base_model(store, "base")
