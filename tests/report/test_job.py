"""The job `report`: the files, their content, and the replacement of an older report."""

import csv
import io
import json
import re
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jobs.local import services
from jobs.process.errors import NotReadyError
from jobs.report import job
from jobs.report.settings import Settings
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from tests import report_factory as factory

pytestmark = pytest.mark.slow

SMALL = factory.RunShape(questions=12)
PRICE = 100.0


def make(store: Store, **settings: object) -> Artifact:
    """Run the job and return its report."""
    job.run(Settings.model_validate({"store": store.url, "examples": 2, **settings}))
    return artifact.require(store, layout.report_path("main"), Kind.REPORT, "report")


@pytest.fixture(scope="module")
def files(service_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the texts of one report, by file name, for the tests that only read it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in services.read_environment(service_folder).items():
            patch.setenv(name, value)
        store = Store(f"s3://skuscribe/{uuid.uuid4().hex[:8]}")
        factory.make(store, SMALL)
        factory.make_audit(store)
        report = make(store, gpu_hour_price=PRICE, examples=3)
        folder = report.fetch_all(tmp_path_factory.mktemp("report"))
    return {name: (folder / name).read_bytes().decode("utf-8", "replace") for name in report.names()}


def text_of(report: Artifact, folder: Path) -> str:
    return words(report.fetch("index.html", folder).read_text(encoding="utf-8"))


def words(html: str) -> str:
    """Return the text of a page without its markup."""
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


def test_the_page_is_self_contained_and_has_no_script(files: dict[str, str]) -> None:
    html = files["index.html"]
    assert "<script" not in html
    assert "<link" not in html
    assert "@import" not in html
    assert not re.search(r'(?:src|href)="(?!#)', html)
    assert not re.search(r"url\((?!#)", html)


def test_every_table_has_a_caption_and_every_chart_a_label(files: dict[str, str]) -> None:
    html = files["index.html"]
    assert html.count("<table") == html.count("<caption>") > 5
    assert all("scope=" in tag for tag in re.findall(r"<th\b[^>]*>", html))
    assert html.count("<svg") == html.count('<svg role="img" aria-label="') > 5


def test_every_id_on_the_page_is_unique(files: dict[str, str]) -> None:
    ids = re.findall(r' id="([^"]+)"', files["index.html"])
    assert len(ids) == len(set(ids))


def test_a_model_of_another_size_is_not_compared_with_the_reference_run(files: dict[str, str]) -> None:
    text = words(files["index.html"])
    assert "76,961,152 parameters" in text
    assert "The model or the shard size differs" in text
    assert "Reference run" not in text


def test_the_cost_is_the_time_multiplied_by_the_price(files: dict[str, str]) -> None:
    seconds = sum(31.7 + shard for shard in range(3))
    assert f"${seconds / 3600 * PRICE:,.2f}" in words(files["index.html"])


def test_the_page_shows_the_requested_number_of_questions(files: dict[str, str]) -> None:
    assert files["index.html"].count('class="panel question"') == 3


def test_shards_csv_has_the_figures_of_this_run_and_of_the_reference_run(files: dict[str, str]) -> None:
    table = rows(files["shards.csv"])
    assert [sum(row["run"] == run for row in table) for run in ("this run", "reference")] == [9, 30]
    assert next(row for row in table if row["run"] == "reference")["training_loss"] == "3.5787"


def test_stages_csv_has_every_score_with_its_interval(files: dict[str, str]) -> None:
    table = rows(files["stages.csv"])
    assert {row["stage"] for row in table} >= {"base", "shard-00002-retrieval"}
    assert {row["group"] for row in table} >= {"held-out", "first-shard", "baseline title-repeated"}
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in table)


def test_answers_csv_has_every_answer(files: dict[str, str]) -> None:
    assert len(rows(files["answers.csv"])) == 12 * 3 * 6


def test_a_csv_text_that_looks_like_a_formula_is_quoted(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.RunShape(trained=1, questions=2, titles=["=HYPERLINK(1)"], answer="@SUM(A1)"))
    table = rows(make(store).fetch("answers.csv", tmp_path).read_text(encoding="utf-8"))
    assert {(row["title"], row["answer"]) for row in table} == {("'=HYPERLINK(1)", "'@SUM(A1)")}


def test_the_page_shows_why_descriptions_were_flagged_and_their_scores(files: dict[str, str]) -> None:
    text = words(files["index.html"])
    assert "invented number, code or attribute 81 4.0 %" in text
    assert "that are in the title or in enough neighbours 94.5 %" in text
    assert text.count("Invented: in neither the title nor the texts of enough of the nearest products (at most 8;") == 2


def test_the_page_shows_the_boilerplate_that_was_removed(files: dict[str, str]) -> None:
    page = words(files["index.html"])
    assert "because they recur and do not follow from the titles: 1,204" in page
    assert "30 Day Replacement Guarantee. 411" in page


def test_the_page_shows_what_people_found(files: dict[str, str]) -> None:
    text = words(files["index.html"])
    assert "People labelled 200 texts of batch 'main'" in text
    assert re.search(r"Published\s+120\s+117\s+97.5 %\s+92.9 % – 99.1 %", text)
    assert re.search(r"contradicts the title\s+80\s+60\s+75 %", text)


def test_the_same_inputs_give_the_same_bytes(store: Store, tmp_path: Path) -> None:
    factory.make(store, SMALL)
    first = make(store)
    artifact.remove(store, first.path)
    second = make(store)
    assert first.manifest.attempt != second.manifest.attempt
    assert first.digest == second.digest


def test_an_up_to_date_report_is_not_made_again(store: Store) -> None:
    factory.make(store, SMALL)
    assert make(store).manifest.attempt == make(store).manifest.attempt


def test_a_report_of_older_inputs_is_replaced_and_its_files_are_removed(store: Store) -> None:
    factory.make(store, factory.RunShape(trained=2, questions=5))
    first = make(store)
    factory.make_shard(store, SMALL, 2)
    second = make(store)
    assert (first.manifest.figures["shards"], second.manifest.figures["shards"]) == (2, 3)
    keys = {stored.key for stored in store.objects(f"{second.path}/")}
    assert keys == {f"{second.path}/{file.key}" for file in second.manifest.files.values()} | {
        f"{second.path}/{layout.MANIFEST}"
    }


def test_a_report_with_other_settings_is_replaced(store: Store) -> None:
    factory.make(store, factory.RunShape(trained=1, questions=5))
    assert make(store).manifest.settings["gpu_hour_price"] == 0
    assert make(store, gpu_hour_price=1).manifest.settings["gpu_hour_price"] == 1


def test_a_report_exists_at_every_moment_of_its_replacement(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    factory.make(store, factory.RunShape(trained=1, questions=5))
    first = make(store)
    deleted = deleted_keys(monkeypatch)
    with manifests_read_meanwhile(store) as attempts:
        second = make(store, gpu_hour_price=1)
    assert set(attempts) == {first.manifest.attempt, second.manifest.attempt}
    assert deleted
    assert f"{first.path}/{layout.MANIFEST}" not in deleted


def test_two_reporters_at_the_same_time_leave_one_whole_report(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.RunShape(trained=1, questions=5))
    make(store)
    start = threading.Barrier(2)

    def report(price: float) -> None:
        start.wait()
        job.run(Settings.model_validate({"store": store.url, "examples": 2, "gpu_hour_price": price}))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(report, (1.0, 2.0)))
    left = artifact.require(store, layout.report_path("main"), Kind.REPORT, "report")
    assert left.manifest.settings["gpu_hour_price"] in (1.0, 2.0)
    left.fetch_all(tmp_path)  # verifies every file
    attempts = {stored.key.removeprefix(f"{left.path}/").split("/")[0] for stored in store.objects(f"{left.path}/")}
    assert attempts == {left.manifest.attempt, layout.MANIFEST}


def deleted_keys(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which every key is added that is deleted from a store."""
    keys: list[str] = []
    delete = Store.delete

    def recording(store: Store, key: str) -> None:
        keys.append(key)
        delete(store, key)

    monkeypatch.setattr(Store, "delete", recording)
    return keys


@contextmanager
def manifests_read_meanwhile(store: Store) -> Iterator[list[str | None]]:
    """Yield a list of the attempts that the report's manifest names, read before, during and after the block.

    None is a moment without a manifest.
    """

    def attempt() -> str | None:
        report = artifact.find(store, layout.report_path("main"))
        return report.manifest.attempt if report else None

    def read() -> None:
        while not done.is_set():
            attempts.append(attempt())

    done = threading.Event()
    attempts = [attempt()]
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            yield attempts
        finally:
            done.set()
        reader.result()
    attempts.append(attempt())


def test_a_run_without_a_trained_shard_is_not_ready(store: Store) -> None:
    factory.make_catalogue(store, SMALL)
    runs.freeze(store, "main", {"model": "base"})
    with pytest.raises(NotReadyError, match="no trained shard"):
        make(store)


def test_an_unfinished_run_is_reported_with_its_remaining_time(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.RunShape(shards=5, trained=2, questions=5))
    text = text_of(make(store), tmp_path)
    assert "set --gpu-hour-price for the cost" in text
    assert "The run is not finished: 2 of 5 shards are trained." in text
    assert "Remaining training, 3 shards" in text


def test_a_run_of_one_shard_is_reported_in_the_singular(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.RunShape(shards=1, trained=1, questions=5, retrieval=False))
    text = text_of(make(store), tmp_path)
    assert "trained on 1 of 1 shard of catalogue" in text
    assert "Training, 1 shard" in text
    assert "Catalogue 'main', 1 shard." in text


def test_shards_that_were_trained_at_once_are_reported_with_their_merges(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.RunShape(questions=5, shards_at_once=2, retrieval=False))
    report = make(store)
    text = words(text_of(report, tmp_path))
    assert "0 to 1 3,800 4.250 2 1,900 4.250" in text
    assert "2 shards at a time start from the same model." in text
    assert "Loss on the first shard's products" in text
    assert "on as many machines, the longest shards of the rounds take 1 min 6 s one after the other" in text
    assert "Left out, because the evaluated model does not belong" not in text
    assert {"merged/shard-00001", "merged/shard-00002", "evaluation/shard-00001"} <= set(report.manifest.inputs)


def test_a_run_whose_last_round_is_not_merged_is_not_ready_without_partial(store: Store) -> None:
    factory.make(store, factory.RunShape(questions=5, shards_at_once=2, retrieval=False))
    make(store, partial=False)
    artifact.remove(store, layout.merged_model_path("main", 2))
    with pytest.raises(NotReadyError, match="the last round of run 'main' are not merged yet: `skuscribe train"):
        make(store, partial=False)


def test_a_chain_is_reported_without_a_word_of_merges(files: dict[str, str]) -> None:
    assert "start from the same model" not in files["index.html"]
    assert "outer gradient" not in files["index.html"].lower()


def test_an_unfinished_run_is_not_ready_without_partial(store: Store) -> None:
    factory.make(store, factory.RunShape(shards=3, trained=2, questions=5))
    with pytest.raises(NotReadyError, match="2 of 3 shards"):
        make(store, partial=False)


def test_a_run_without_evaluation_and_batch_is_reported(store: Store, tmp_path: Path) -> None:
    factory.make_catalogue(store, SMALL)
    runs.freeze(store, "main", {"model": "base"})
    factory.make_shard(store, SMALL, 0)
    text = text_of(make(store), tmp_path)
    assert "No comparison yet" in text
    assert "does not exist yet" in text
    assert "of unknown size" in text


def test_a_batch_of_another_run_is_named_and_not_shown(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.RunShape(shards=1, trained=1, questions=5, retrieval=False))
    assert "Descriptions published" in text_of(make(store), tmp_path / "own")
    artifact.remove(store, layout.export_path("main"))
    with artifact.draft(store, layout.export_path("main"), Kind.EXPORT, {}, {"model": "f" * 64}) as draft:
        draft.commit({"products": 2000, "published": 1874, "flagged": 123, "failed": 3, "seconds": 88.0})
    text = text_of(make(store), tmp_path / "other")
    assert "Batch 'main' was not written by a model of run 'main': choose another batch with --batch." in text
    assert "Descriptions published" not in text
    assert "1,874" not in text


def test_an_evaluation_of_another_base_model_is_named_and_not_compared(store: Store, tmp_path: Path) -> None:
    shape = factory.RunShape(shards=1, trained=1, questions=5, retrieval=False)
    factory.make(store, shape)
    text = text_of(make(store), tmp_path / "own")
    assert "No comparison yet" not in text
    assert "Left out" not in text
    artifact.remove(store, layout.evaluation_path("main", "base"))
    factory.make_stage(store, shape, None, retrieval=False, model="f" * 64)
    text = text_of(make(store), tmp_path / "other")
    assert "No comparison yet" in text
    assert re.search(
        "does not belong to run 'main': base ?. skuscribe evaluate --run main --catalogue main --model base --replace",
        text,
    )


def test_product_text_is_not_interpreted_as_markup(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.RunShape(questions=4, titles=[factory.HOSTILE], answer=factory.HOSTILE))
    folder = make(store).fetch_all(tmp_path)
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert factory.HOSTILE in words(html)
    assert (folder / "report.pdf").stat().st_size > 10_000
    assert {row["answer"] for row in rows((folder / "answers.csv").read_text(encoding="utf-8"))} == {factory.HOSTILE}


def test_a_damaged_shard_is_named_and_no_report_is_made(store: Store) -> None:
    factory.make(store, SMALL)
    shard = artifact.require(store, layout.trained_shard_path("main", 1), Kind.TRAINED_SHARD, "train")
    store.write(f"{shard.path}/{shard.manifest.files[layout.METRICS_FILE].key}", json.dumps({}).encode())
    with pytest.raises(NotReadyError, match="shard-00001"):
        make(store)
    assert artifact.find(store, layout.report_path("main")) is None
