"""What `status` shows of a store."""

import pytest

from jobs.process.errors import NotReadyError
from jobs.status import job as status
from jobs.status import settings as status_settings
from jobs.storage import artifact, layout, runs
from jobs.storage.store import Store
from tests.factories import write_catalogue


def test_an_empty_store_says_how_to_begin(store: Store) -> None:
    with pytest.raises(NotReadyError, match="skuscribe prepare"):
        status.run(status_settings.Settings(store=store.url))


def test_shards_are_done_started_or_waiting_and_a_figure_that_was_not_measured_is_blank(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    products = write_catalogue(store, shards=3)
    runs.freeze(store, "main", {"catalogue": "main", "catalogue_digest": products.digest})
    with artifact.draft(store, layout.trained_shard_path("main", 0), layout.Kind.TRAINED_SHARD, {}, {}) as draft:
        draft.commit({"training_loss": 2.5, "validation_loss": None, "rougeL": None, "seconds": 7.0})
    store.write(f"{layout.trained_shard_path('main', 1)}/state/step-000400/progress.json", b"{}")
    status.run(status_settings.Settings(store=store.url))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["0", "done", "2.500", "7"] in lines
    assert next(line for line in lines if line[:2] == ["1", "started"])[2] == "step-000400,"
    assert ["2", "waiting"] in lines
    assert ["1", "of", "3", "shards", "done"] in lines
