"""The report: what it says, what it leaves out, and that product text stays text."""

import csv
import io
import json
import re
import uuid
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jobs.local import services
from jobs.process.errors import NotReadyError
from jobs.report import job as report
from jobs.report import settings as report_settings
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store
from tests import report_factory as factory

SMALL = factory.Plan(questions=12)
PRICE = 100.0


def make(store: Store, **settings: object) -> Artifact:
    report.run(report_settings.Settings.model_validate({"store": store.url, "examples": 2, **settings}))
    return artifact.require(store, report.report_path("main"), report.KIND, "report")


@pytest.fixture(scope="module")
def files(service_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The texts of one report, by file name, for the tests that only read it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in services.read_environment(service_folder).items():
            patch.setenv(name, value)
        store = Store(f"s3://skuscribe/{uuid.uuid4().hex[:8]}")
        factory.make(store, SMALL)
        found = make(store, gpu_hour_price=PRICE, examples=3)
        folder = found.fetch_all(tmp_path_factory.mktemp("report"))
    return {name: (folder / name).read_bytes().decode("utf-8", "replace") for name in found.names()}


def text_of(found: Artifact, folder: Path) -> str:
    return words(found.fetch("index.html", folder).read_text(encoding="utf-8"))


def words(html: str) -> str:
    """The text of a page as it is read."""
    parts: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            parts.append(data)

    reader = Reader()
    reader.feed(html)
    return re.sub(r"\s+", " ", " ".join(parts))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_it_writes_a_page_a_pdf_and_three_tables(files: dict[str, str]) -> None:
    assert sorted(files) == ["answers.csv", "index.html", "report.pdf", "shards.csv", "stages.csv"]
    assert files["report.pdf"].startswith("%PDF-")


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(files: dict[str, str]) -> None:
    html = files["index.html"]
    assert "<script" not in html
    assert "<link" not in html
    assert "@import" not in html
    assert not re.search(r'(?:src|href)="(?!#)', html)
    assert not re.search(r"url\((?!#)", html)


def test_every_table_and_chart_says_what_it_is(files: dict[str, str]) -> None:
    html = files["index.html"]
    assert html.count("<table") == html.count("<caption>") > 5
    assert all("scope=" in tag for tag in re.findall(r"<th\b[^>]*>", html))
    assert html.count("<svg") == html.count('<svg role="img" aria-label="') > 5


def test_no_id_stands_twice_on_the_page(files: dict[str, str]) -> None:
    ids = re.findall(r' id="([^"]+)"', files["index.html"])
    assert len(ids) == len(set(ids))


def test_a_small_model_is_not_taken_for_a_fair_comparison(files: dict[str, str]) -> None:
    text = words(files["index.html"])
    assert "76,961,152 parameters" in text
    assert "shown side by side, not compared" in text


def test_cost_is_hours_times_price(files: dict[str, str]) -> None:
    seconds = sum(31.7 + shard for shard in range(3))
    assert f"${seconds / 3600 * PRICE:,.2f}" in words(files["index.html"])


def test_as_many_questions_are_shown_as_were_asked_for(files: dict[str, str]) -> None:
    assert files["index.html"].count('class="panel question"') == 3


def test_shards_csv_has_the_figures_of_this_run_and_of_the_reference(files: dict[str, str]) -> None:
    found = rows(files["shards.csv"])
    assert [sum(row["run"] == run for row in found) for run in ("this run", "reference")] == [9, 30]
    assert next(row for row in found if row["run"] == "reference")["training_loss"] == "3.5787"


def test_stages_csv_has_every_score_with_its_interval(files: dict[str, str]) -> None:
    found = rows(files["stages.csv"])
    assert {row["stage"] for row in found} >= {"base", "shard-00002-retrieval"}
    assert {row["group"] for row in found} >= {"held-out", "first-shard", "baseline title-repeated"}
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in found)


def test_answers_csv_has_every_answer(files: dict[str, str]) -> None:
    assert len(rows(files["answers.csv"])) == 12 * 3 * 6


def test_a_spreadsheet_runs_no_text_as_a_formula(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.Plan(trained=1, questions=2, titles=["=HYPERLINK(1)"], answer="@SUM(A1)"))
    found = rows(make(store).fetch("answers.csv", tmp_path).read_text(encoding="utf-8"))
    assert {(row["title"], row["answer"]) for row in found} == {("'=HYPERLINK(1)", "'@SUM(A1)")}


def test_what_was_described_is_told_with_its_reasons_and_scores(files: dict[str, str]) -> None:
    text = words(files["index.html"])
    assert "invented number or code 81 4.0 %" in text
    assert "found in title or neighbours 94 %" in text


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


def test_a_report_of_older_inputs_or_other_settings_is_replaced_whole(store: Store) -> None:
    factory.make(store, factory.Plan(trained=2, questions=5))
    first = make(store)
    factory.make_shard(store, SMALL, 2)
    second = make(store, gpu_hour_price=1)
    assert (first.manifest.figures["shards"], second.manifest.figures["shards"]) == (2, 3)
    below = [item.key for item in store.objects(f"{second.path}/")]
    assert len(below) == len(second.names()) + 1


def test_nothing_trained_is_not_ready(store: Store) -> None:
    factory.make_catalogue(store, SMALL)
    runs.freeze(store, "main", {"model": "base"})
    with pytest.raises(NotReadyError, match="no trained shard"):
        make(store)


def test_a_run_under_way_is_reported_as_far_as_it_is(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.Plan(shards=5, trained=2, questions=5))
    text = text_of(make(store), tmp_path)
    assert "no price given" in text
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
    text = text_of(make(store), tmp_path)
    assert "Nothing is compared yet" in text
    assert "has not been exported yet" in text
    assert "of unknown size" in text


def test_hostile_text_stays_text(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.Plan(questions=4, titles=[factory.HOSTILE], answer=factory.HOSTILE))
    folder = make(store).fetch_all(tmp_path)
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert factory.HOSTILE in words(html)
    assert (folder / "report.pdf").stat().st_size > 10_000
    assert {row["answer"] for row in rows((folder / "answers.csv").read_text(encoding="utf-8"))} == {factory.HOSTILE}


def test_a_broken_shard_is_named_and_nothing_is_published(store: Store) -> None:
    factory.make(store, SMALL)
    shard = artifact.require(store, layout.trained_shard_path("main", 1), layout.Kind.TRAINED_SHARD, "train")
    store.write(f"{shard.path}/{shard.manifest.files[layout.METRICS_FILE].key}", json.dumps({}).encode())
    with pytest.raises(NotReadyError, match="shard-00001"):
        make(store)
    assert artifact.find(store, report.report_path("main")) is None
