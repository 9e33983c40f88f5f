"""What `status` shows of a store."""

import re

import pytest

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.status import job
from jobs.status.settings import Settings
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from tests.factories import write_catalogue


def shown(store: Store, capsys: pytest.CaptureFixture[str], run: str = "", max_shards: int | None = None) -> list[str]:
    job.run(Settings(store=store.url, run=run, max_shards=max_shards))
    return capsys.readouterr().out.splitlines()


def commit(store: Store, path: str, kind: Kind, parent: str = "", /, **figures: float | None) -> Artifact:
    with artifact.draft(store, path, kind, {}, {"parent": parent} if parent else {}) as draft:
        return draft.commit(figures)


def test_an_empty_store_says_how_to_begin(store: Store) -> None:
    with pytest.raises(NotReadyError, match="skuscribe prepare"):
        job.run(Settings(store=store.url))


def test_shards_are_done_started_or_waiting_and_a_missing_figure_is_blank(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    products = write_catalogue(store, shards=3)
    runs.freeze(store, "main", {"catalogue": "main", "catalogue_digest": products.digest})
    figures = {"training_loss": 2.5, "validation_loss": None, "rougeL": None, "seconds": 7.0}
    commit(store, layout.trained_shard_path("main", 0), Kind.TRAINED_SHARD, **figures)
    for step in (200, 400):
        folder = f"{layout.trained_shard_path('main', 1)}/{layout.CHECKPOINT_FOLDER}{layout.checkpoint_name(step)}"
        store.write(f"{folder}/progress.json", b"{}")
    lines = [line.split() for line in shown(store, capsys)]
    assert ["0", "done", "2.500", "7"] in lines
    assert next(line for line in lines if line[:2] == ["1", "started"])[2] == "step-000400,"
    assert ["2", "waiting"] in lines
    assert ["1", "of", "3", "shards", "done"] in lines


def test_the_catalogue_of_a_run_is_found_by_its_name_and_digest(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    own = write_catalogue(store, name="shoes", shards=2)
    other = write_catalogue(store, name="lamps", shards=3)
    runs.freeze(store, "main", {"catalogue": "shoes", "catalogue_digest": own.digest, "note": other.digest})
    assert "  0 of 2 shards done" in shown(store, capsys)


def test_a_run_that_is_limited_to_some_shards_is_done_with_them(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    products = write_catalogue(store, shards=3)
    runs.freeze(store, "main", {"catalogue": "main", "catalogue_digest": products.digest})
    commit(store, layout.trained_shard_path("main", 0), Kind.TRAINED_SHARD)
    lines = shown(store, capsys, max_shards=1)
    assert "  1 of 1 shards done" in lines
    assert not any(line.split() == ["1", "waiting"] for line in lines)


def test_the_last_checkpoint_is_the_one_with_the_highest_step(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    write_catalogue(store)
    runs.freeze(store, "main", {})
    for step in (999_999, 1_000_000):
        folder = f"{layout.trained_shard_path('main', 0)}/{layout.CHECKPOINT_FOLDER}{layout.checkpoint_name(step)}"
        store.write(f"{folder}/progress.json", b"{}")
    [line] = [line for line in shown(store, capsys) if "started" in line]
    assert "step-1000000, last upload " in line


def test_models_that_were_not_trained_from_the_current_ones_are_named(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.freeze(store, "main", {})
    first = commit(store, layout.trained_shard_path("main", 0), Kind.TRAINED_SHARD)
    second = commit(store, layout.trained_shard_path("main", 1), Kind.TRAINED_SHARD, first.digest)
    assert not any("was not trained" in line for line in shown(store, capsys))
    artifact.remove(store, second.path)
    commit(store, layout.trained_shard_path("main", 1), Kind.TRAINED_SHARD, "0" * 64)
    [line] = [line for line in shown(store, capsys) if "was not trained" in line]
    assert line.startswith("  `shard-00001` was not trained from the current model of `shard-00000`: remove ")


def train_in_rounds(store: Store, trained: int, merged: list[range]) -> None:
    """Commit a run of eight shards, four at once, of which the first ones are trained."""
    products = write_catalogue(store, shards=8)
    config = {"catalogue": "main", "catalogue_digest": products.digest, "shards_at_once": 4}
    runs.freeze(store, "main", config)
    for shard in range(trained):
        commit(store, layout.trained_shard_path("main", shard), Kind.TRAINED_SHARD)
    for shards in merged:
        path = layout.merged_model_path("main", shards[-1])
        with artifact.draft(
            store, path, Kind.MERGED_MODEL, {"shards": list(shards)}, {"shard-00000": "0" * 64}
        ) as draft:
            draft.commit({})


@pytest.mark.parametrize(
    ("trained", "merged", "following"),
    [
        (2, [], "  merged next: shards 0 to 3, 2 of 4 trained"),
        (5, [range(4)], "  merged next: shards 4 to 7, 1 of 4 trained"),
        (8, [range(4)], "  merged next: shards 4 to 7, 4 of 4 trained"),
        (8, [range(4), range(4, 5), range(4, 8)], None),
    ],
)
def test_the_round_that_is_merged_next_is_shown_with_its_trained_shards(
    store: Store, capsys: pytest.CaptureFixture[str], trained: int, merged: list[range], following: str | None
) -> None:
    train_in_rounds(store, trained, merged)
    lines = shown(store, capsys)
    assert [line for line in lines if "merged next" in line] == ([following] if following else [])


def test_a_round_of_the_shards_that_a_run_is_limited_to_is_complete(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    train_in_rounds(store, 5, [range(4), range(4, 5)])
    lines = shown(store, capsys, max_shards=5)
    assert "  merged: shards 0 to 3, shard 4" in lines
    assert not any("merged next" in line for line in lines)


def test_a_merged_model_of_other_models_than_the_current_ones_is_named(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    train_in_rounds(store, 4, [range(4)])
    assert any(
        line.startswith("  `merged/shard-00003` was not merged from the current models")
        for line in shown(store, capsys)
    )


def test_a_run_with_several_shards_at_once_shows_which_are_merged(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    products = write_catalogue(store, shards=3)
    runs.freeze(store, "main", {"catalogue": "main", "catalogue_digest": products.digest, "shards_at_once": 2})
    assert "  merged: nothing yet" in shown(store, capsys)
    for shards in (range(2), range(2, 3)):
        path = layout.merged_model_path("main", shards[-1])
        with artifact.draft(store, path, Kind.MERGED_MODEL, {"shards": list(shards)}, {}) as draft:
            draft.commit({})
    commit(store, layout.trained_shard_path("main", 2), Kind.TRAINED_SHARD, "0" * 64)
    lines = shown(store, capsys)
    assert "  merged: shards 0 to 1, shard 2" in lines
    assert any(
        line.startswith("  `shard-00002` was not trained from the current merged model after `shard-00001`")
        for line in lines
    )


@pytest.mark.parametrize("config", [{}, {"catalogue": "gone"}, {"catalogue": "main", "catalogue_digest": "0" * 64}])
def test_without_its_catalogue_a_run_shows_the_shards_that_have_started(
    store: Store, capsys: pytest.CaptureFixture[str], config: dict[str, str]
) -> None:
    write_catalogue(store, shards=3)
    runs.freeze(store, "main", config)
    commit(store, layout.trained_shard_path("main", 0), Kind.TRAINED_SHARD)
    assert "  1 of 1 shards done" in shown(store, capsys)


def test_one_run_is_shown_with_its_evaluations_and_report(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for run in ("first", "second"):
        runs.freeze(store, run, {"seed": 13})
    commit(store, layout.evaluation_path("first", "base"), Kind.EVALUATION)
    commit(store, layout.report_path("first"), Kind.REPORT)
    lines = shown(store, capsys, run="first")
    assert "runs/first  seed 13" in lines
    assert "  evaluated: base" in lines
    assert any(line.startswith("  runs/first/report  done ") for line in lines)
    assert not any("runs/second" in line for line in lines)


def test_files_of_a_run_that_was_deleted_are_named_and_an_empty_folder_is_not_shown(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("left", "gone"):
        commit(store, layout.trained_shard_path(name, 0), Kind.TRAINED_SHARD)
        commit(store, layout.model_path(name), Kind.MODEL)
    for path in (layout.run_path("gone"), layout.model_path("gone")):
        artifact.remove(store, path)
    lines = shown(store, capsys)
    assert [line.split("  ")[0] for line in lines[:-1] if line[0] != " "] == ["models/left", "runs/left"]
    assert "`skuscribe delete --path runs/left` lists them" in lines[1]
    with pytest.raises(ConfigurationError, match=r"no run 'gone' .*\(such as left\)"):
        job.run(Settings(store=store.url, run="gone"))


def test_a_run_that_has_not_started_is_shown_with_its_evaluations_beside_the_others(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, layout.evaluation_path("first", "base"), Kind.EVALUATION)
    runs.freeze(store, "second", {"seed": 13})
    lines = shown(store, capsys)
    [first] = [number for number, line in enumerate(lines) if line.startswith("runs/first  not started")]
    assert lines[first + 1] == "  evaluated: base"
    assert "runs/second  seed 13" in lines


def test_a_matcher_is_shown_with_its_figures(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    commit(store, layout.matcher_path("main"), Kind.MATCHER, auc_nearest=0.83)
    [line] = [line for line in shown(store, capsys) if line.startswith("matchers/main  done ")]
    assert line.endswith("auc_nearest 0.83")


def test_a_matcher_of_few_products_is_shown_as_not_calibrated(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    commit(store, layout.matcher_path("main"), Kind.MATCHER, calibrated=False, auc_nearest=None, publish_from=0.0)
    [line] = [line for line in shown(store, capsys) if line.startswith("matchers/main  done ")]
    assert line.endswith("not calibrated: texts are checked by their words only")
    assert "None" not in line


def test_a_report_is_not_made_yet_in_progress_or_done(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    runs.freeze(store, "main", {"seed": 13})
    path = layout.report_path("main")
    assert f"  {path}  not made yet" in shown(store, capsys)
    store.write(f"{path}/{layout.ATTEMPT_PREFIX}1/index.html", b"")
    assert f"  {path}  in progress" in shown(store, capsys)
    commit(store, path, Kind.REPORT)
    assert any(line.startswith(f"  {path}  done ") for line in shown(store, capsys))


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("PGPORT", "9", "index  not known: Postgres cannot be reached at "),
        ("PGPASSWORD", "wrong", "index  not known: Postgres at .* refuses the connection"),
    ],
    ids=["no answer", "wrong password"],
)
def test_a_postgres_that_cannot_be_queried_is_one_line_and_not_an_error(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    line: str,
) -> None:
    write_catalogue(store)
    monkeypatch.setenv(variable, value)
    lines = shown(store, capsys)
    assert lines[0].startswith("catalogue/main  done ")
    assert re.match(line, lines[-1])


def test_the_labels_of_a_batch_are_shown_once_there_are_some(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    commit(store, layout.export_path("main"), Kind.EXPORT, products=2000)
    assert not [line for line in shown(store, capsys) if "audit" in line]
    commit(store, layout.audit_path("main"), Kind.AUDIT, labelled=200)
    [line] = [line for line in shown(store, capsys) if line.startswith("exports/main/audit  done")]
    assert line.endswith("labelled 200")


def test_an_unknown_run_is_a_wrong_setting_that_names_the_nearest_runs(store: Store) -> None:
    for run in ("main", "many", "maize", "zoo"):
        runs.freeze(store, run, {"seed": 13})
    with pytest.raises(
        ConfigurationError, match=rf"no run 'mian' in {store.at('runs/')}.* \(such as many, main, maize\)"
    ) as raised:
        job.run(Settings(store=store.url, run="mian"))
    assert "zoo" not in str(raised.value)


def test_before_any_run_has_started_the_other_artifacts_are_shown(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    write_catalogue(store)
    assert shown(store, capsys, run="main")[0].startswith("catalogue/main  done ")
