"""The report: what it says, what it leaves out, and that product text stays text."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_factory as factory

from jobs import artifact, report, runs
from jobs.artifact import Artifact
from jobs.errors import NotReadyError
from jobs.store import Store

SMALL = factory.Plan(questions=12)


def make(store: Store, **settings: object) -> Artifact:
    report.run(report.Settings.model_validate({"store": store.url, "examples": 2, **settings}))
    return artifact.require(store, report.report_path("main"), report.KIND, "report")


def page(found: Artifact, folder: Path) -> str:
    return found.fetch("index.html", folder).read_text(encoding="utf-8")


def words(html: str) -> str:
    """The text of a page as it is read."""
    parts: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            parts.append(data)

    reader = Reader()
    reader.feed(html)
    return re.sub(r"\s+", " ", " ".join(parts))


def rows(found: Artifact, name: str, folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(found.fetch(name, folder).read_text(encoding="utf-8"))))


def test_it_writes_a_page_a_pdf_and_three_tables(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    found = make(store)
    assert found.names() == ["answers.csv", "index.html", "report.pdf", "shards.csv", "stages.csv"]
    assert found.fetch("report.pdf", tmp_path).read_bytes().startswith(b"%PDF-")


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    html = page(make(store), tmp_path)
    assert "<script" not in html
    assert "<link" not in html
    assert "@import" not in html
    assert not re.search(r'(?:src|href)="(?!#)', html)
    assert not re.search(r"url\((?!#)", html)


def test_the_same_inputs_give_the_same_bytes(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    first = make(store)
    artifact.remove(store, first.path)
    second = make(store)
    assert first.manifest.attempt != second.manifest.attempt
    assert first.digest == second.digest


def test_a_report_that_says_the_same_is_not_made_again(store: Store) -> None:
    factory.make(store, SMALL)
    assert make(store).manifest.attempt == make(store).manifest.attempt


def test_a_report_of_older_inputs_is_replaced_whole(store: Store) -> None:
    factory.make(store, factory.Plan(trained=2, questions=5))
    first = make(store)
    factory.make_shard(store, SMALL, 2)
    second = make(store)
    assert (first.manifest.figures["shards"], second.manifest.figures["shards"]) == (2, 3)
    below = [item.key for item in store.objects(f"{second.path}/")]
    assert len(below) == len(second.names()) + 1


def test_other_settings_replace_it_too(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    assert "no price given" in words(page(make(store), tmp_path))
    assert "no price given" not in words(page(make(store, gpu_hour_price=0.5), tmp_path))


def test_nothing_trained_is_not_ready(store: Store) -> None:
    factory.make_catalogue(store, SMALL)
    runs.freeze(store, "main", {"model": "base"})
    with pytest.raises(NotReadyError, match="no trained shard"):
        make(store)


def test_a_run_under_way_is_reported_as_far_as_it_is(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.Plan(shards=5, trained=2, questions=5))
    text = words(page(make(store), tmp_path))
    assert "The run is not finished: 2 of 5 shards are trained." in text
    assert "Still to train, 3 shards" in text


def test_a_run_under_way_is_not_ready_for_whoever_wants_all_of_it(store: Store) -> None:
    factory.make(store, factory.Plan(shards=3, trained=2, questions=5))
    with pytest.raises(NotReadyError, match="2 of 3 shards"):
        make(store, partial=False)


def test_a_run_with_no_evaluation_and_no_batch_is_reported_all_the_same(store: Store, tmp_path: Path) -> None:
    factory.make_catalogue(store, SMALL)
    runs.freeze(store, "main", {"model": "base"})
    factory.make_shard(store, SMALL, 0)
    text = words(page(make(store), tmp_path))
    assert "Nothing is compared yet" in text
    assert "has not been exported yet" in text
    assert "of unknown size" in text


def test_a_title_with_a_script_is_text(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.Plan(questions=4, titles=[factory.HOSTILE], answer=factory.HOSTILE))
    found = make(store)
    html = page(found, tmp_path)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert factory.HOSTILE in words(html)
    assert found.fetch("report.pdf", tmp_path).stat().st_size > 10_000
    assert {row["answer"] for row in rows(found, "answers.csv", tmp_path)} == {factory.HOSTILE}


def test_shards_csv_has_the_figures_of_this_run_and_of_the_reference(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    found = rows(make(store), "shards.csv", tmp_path)
    assert [sum(row["run"] == run for row in found) for run in ("this run", "reference")] == [9, 30]
    assert next(row for row in found if row["run"] == "reference")["training_loss"] == "3.5787"


def test_stages_csv_has_every_score_with_its_interval(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    found = rows(make(store), "stages.csv", tmp_path)
    assert {row["stage"] for row in found} >= {"base", "shard-00002-retrieval"}
    assert {row["group"] for row in found} >= {"held-out", "first-shard", "baseline title-repeated"}
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in found)


def test_answers_csv_has_every_answer(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    assert len(rows(make(store), "answers.csv", tmp_path)) == 12 * (2 * 2 + 3 * 4)


def test_as_many_questions_are_shown_as_were_asked_for(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    assert page(make(store, examples=3), tmp_path).count('class="panel question"') == 3
    assert page(make(store, examples=0), tmp_path).count('class="panel question"') == 0


def test_every_column_and_row_of_a_table_has_its_header(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    html = page(make(store), tmp_path)
    assert html.count("<table") == html.count("<caption>") > 5
    assert all("scope=" in tag for tag in re.findall(r"<th\b[^>]*>", html))
    assert html.count("<svg") == html.count('<svg role="img" aria-label="')


def test_a_small_model_is_not_taken_for_a_fair_comparison(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    text = words(page(make(store), tmp_path))
    assert "76,961,152 parameters" in text
    assert "shown side by side, not compared" in text


def test_cost_is_hours_times_price(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    seconds = sum(31.7 + shard for shard in range(3))
    assert f"${seconds / 3600 * 100:,.2f}" in words(page(make(store, gpu_hour_price=100), tmp_path))


def test_a_broken_shard_is_named_and_nothing_is_published(store: Store) -> None:
    factory.make(store, SMALL)
    shard = artifact.require(store, runs.shard_path("main", 1), runs.SHARD_KIND, "train")
    store.write(f"{shard.path}/{shard.manifest.files[runs.METRICS_FILE].key}", json.dumps({}).encode())
    with pytest.raises(NotReadyError, match="shard-00001"):
        make(store)
    assert artifact.find(store, report.report_path("main")) is None
