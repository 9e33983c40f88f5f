"""prepare: every row is kept or rejected, no cluster is on both sides of a split, the same rows give the same bytes."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from jobs.prepare import job
from jobs.prepare.settings import Settings
from jobs.process.command_line import parse
from jobs.process.errors import ConfigurationError, InputError, JobError
from jobs.process.lifecycle import run_to_exit_code
from jobs.sample.rows import sample_rows
from jobs.storage import catalogue, chunks, layout, sources
from jobs.storage.catalogue import Catalogue
from jobs.storage.store import Store

pytestmark = pytest.mark.slow

OTHER = {"uid": "other", "title": "Another product", "content": "It shares no text with the products of any test."}


def lines_of(rows: Sequence[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def prepared(store: Store, source: Path | str, name: str = "main", **others: Any) -> Catalogue:
    settings = {"shard_rows": 200, "held_out_rows": 100, "processes": 1, **others}
    job.run(Settings(input=str(source), catalogue=name, **settings))
    return catalogue.require(store, name)


def products(made: Catalogue, folder: Path) -> pa.Table:
    return pa.concat_tables([made.read_file(name, folder) for name in made.files()])


def rejects(made: Catalogue, folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(made.artifact.fetch(layout.REJECTS_FILE, folder)).to_pylist()
    return rows


def hashes(made: Catalogue) -> dict[str, str]:
    return {name: file.sha256 for name, file in made.artifact.manifest.files.items()}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw.json.gz"
    path.write_bytes(gzip.compress(lines_of(sample_rows(900, seed=5))))
    return path


def test_every_row_is_kept_or_rejected(store: Store, raw: Path, tmp_path: Path) -> None:
    made = prepared(store, raw)
    kept, rejected = products(made, tmp_path), rejects(made, tmp_path)
    figures = made.artifact.manifest.figures
    assert (figures["read"], figures["kept"], figures["rejected"]) == (900, kept.num_rows, len(rejected))
    assert sorted([*kept["row"].to_pylist(), *(reject["row"] for reject in rejected)]) == list(range(1, 901))
    assert [reject["row"] for reject in rejected] == sorted(reject["row"] for reject in rejected)
    assert kept.schema == catalogue.PRODUCT_SCHEMA


def test_no_cluster_is_on_both_sides_of_a_split(store: Store, raw: Path, tmp_path: Path) -> None:
    made = prepared(store, raw)
    sides: dict[int, set[str]] = {}
    for name in made.files():
        for product in made.read_file(name, tmp_path).to_pylist():
            side = f"{name} test" if product["split"] == catalogue.TEST else product["split"]
            sides.setdefault(product["cluster"], set()).add(side)
    assert made.artifact.manifest.figures["duplicates_near"] > 20
    assert all(len(sides_of_cluster) == 1 for sides_of_cluster in sides.values())


def test_five_percent_of_each_shard_and_of_all_rows_are_test_and_held_out(
    store: Store, raw: Path, tmp_path: Path
) -> None:
    made = prepared(store, raw)
    sizes = [made.read_shard(shard, tmp_path).num_rows for shard in range(made.shards)]
    held_out = made.read_held_out(tmp_path)
    assert sizes[:-1] == [200] * (made.shards - 1)
    assert set(held_out["split"].to_pylist()) == {catalogue.HELD_OUT}
    assert held_out.num_rows == made.artifact.manifest.figures["kept"] // 20
    for shard in range(made.shards):
        assert made.read_shard(shard, tmp_path)["split"].to_pylist().count(catalogue.TEST) == round(sizes[shard] * 0.05)


def test_the_format_and_the_place_of_the_input_change_no_file(store: Store, raw: Path, tmp_path: Path) -> None:
    rows = sample_rows(900, seed=5)
    (tmp_path / "plain.jsonl").write_bytes(lines_of(rows))
    (tmp_path / "array.json").write_text(json.dumps(rows))
    store.write("raw/rows", raw.read_bytes())
    one = prepared(store, raw, "one")
    for name, source in (("plain", tmp_path / "plain.jsonl"), ("array", tmp_path / "array.json")):
        assert hashes(prepared(store, source, name)) == hashes(one)
    assert hashes(prepared(store, store.at("raw/rows"), "s3")) == hashes(one)


def test_the_number_of_processes_changes_no_file(store: Store, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 20_000)
    assert prepared(store, raw, "one").digest == prepared(store, raw, "three", processes=3).digest


def test_the_seed_changes_the_held_out_set(store: Store, raw: Path, tmp_path: Path) -> None:
    one, other = (prepared(store, raw, f"seed-{seed}", seed=seed) for seed in (1, 2))
    assert one.read_held_out(tmp_path / "1") != other.read_held_out(tmp_path / "2")


def test_the_input_of_an_existing_catalogue_is_not_read_again(
    store: Store, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = prepared(store, raw).artifact.manifest
    monkeypatch.setattr(sources, "opened", None)
    assert prepared(store, raw).artifact.manifest == before


def test_an_input_with_a_new_time_of_change_is_compared_by_content(store: Store, raw: Path) -> None:
    before = prepared(store, raw).artifact.manifest
    os.utime(raw, ns=(1, 1))
    assert prepared(store, raw).artifact.manifest == before
    raw.write_bytes(gzip.compress(lines_of(sample_rows(900, seed=6))))
    with pytest.raises(ConfigurationError, match="rows was"):
        prepared(store, raw)


def test_different_settings_need_another_name(store: Store, raw: Path) -> None:
    prepared(store, raw)
    with pytest.raises(ConfigurationError, match=r"similarity was 0\.8, now 0\.9"):
        prepared(store, raw, similarity=0.9)


def test_bad_rows_are_rejected_with_line_and_reason(store: Store, tmp_path: Path) -> None:
    good = [
        {"uid": str(n), "title": f"Lamp number {n}", "content": f"It gives {n * n} lumen of warm light."}
        for n in range(80)
    ]
    bad = [
        b'{"uid": "broken',
        b'{"uid": "e", "title": "t", "content": "caf\xe9 au lait"}',
        lines_of([{"uid": "0", "title": "Again", "content": "The same uid once more."}]),
        lines_of([{"uid": "big", "title": "Big", "content": "x" * 10_000_000}]),
        lines_of([{"uid": "tag", "title": "<span class='a'", "content": "A title that is only markup."}]),
        lines_of([{"uid": "none", "title": "Nothing", "content": "<p>&nbsp;</p>"}]),
        lines_of([{"uid": "few", "title": "Short", "content": "Book by"}]),
        lines_of([{"uid": "same", "title": "Worship with Don", "content": "<b>worship with Don</b>"}]),
    ]
    path = tmp_path / "raw"
    path.write_bytes(lines_of(good) + b"\n\n" + b"\n".join(bad))
    made = prepared(store, path)
    assert [(reject["row"], reject["uid"], reject["reason"]) for reject in rejects(made, tmp_path)] == [
        (82, None, "broken-json"),
        (83, None, "invalid-utf-8"),
        (84, "0", "duplicate-uid"),
        (85, None, "too-long"),
        (86, "tag", "title-empty-once-cleaned"),
        (87, "none", "content-empty-once-cleaned"),
        (88, "few", "content-too-short"),
        (89, "same", "content-repeats-title"),
    ]
    assert made.artifact.manifest.figures["kept"] == 80


def test_a_long_content_is_truncated_after_a_word(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(lines_of([{"uid": "1", "title": "Long", "content": "word " * 1000}, OTHER]))
    made = products(prepared(store, path, max_content_characters=101), tmp_path)
    [content] = [row["content"] for row in made.to_pylist() if row["title"] == "Long"]
    assert content == " ".join(["word"] * 20)


def test_the_reference_profile_can_be_chosen(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(lines_of([{"uid": "1", "title": 'A 10" pan', "content": "Don't heat it over 50%, ever!"}, OTHER]))
    [row] = [
        row for row in products(prepared(store, path, profile="reference"), tmp_path).to_pylist() if row["uid"] == "1"
    ]
    assert (row["title"], row["content"]) == ("A 10 pan", "Dont heat it over 50, ever!")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", InputError, "no rows"),
        (gzip.compress(b"", mtime=0), InputError, "no rows"),
        (b"[]", InputError, "no rows"),
        (gzip.compress(lines_of(sample_rows(300, seed=1)), mtime=0)[:-20], InputError, "truncated gzip"),
        (b"<html><body>Not found</body></html>", InputError, "1 of 1 rows are unreadable.*HTML page"),
        (None, ConfigurationError, "no file"),
    ],
)
def test_a_bad_input_publishes_nothing(
    store: Store, tmp_path: Path, data: bytes | None, error: type[JobError], message: str
) -> None:
    path = tmp_path / "raw"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(error, match=message):
        prepared(store, path)
    assert list(store.objects("catalogue/")) == []


def test_an_address_with_an_unknown_scheme_is_a_configuration_error() -> None:
    with pytest.raises(ValueError, match="s3://BUCKET/KEY"):
        Settings(input="ftp://host/rows")


def test_a_missing_tokenizer_is_a_configuration_error(store: Store, raw: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json"):
        prepared(store, raw, tokenizer="nowhere")


@pytest.mark.parametrize("content", ["not JSON", "{}"])
def test_a_damaged_tokenizer_is_a_configuration_error_before_rows_are_cleaned(
    store: Store, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(job, "_clean", lambda *_: pytest.fail("the rows were cleaned first"))
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json is not the file of a tokenizer \("):
        prepared(store, raw, tokenizer=str(tmp_path))


def test_a_full_disk_publishes_nothing(store: Store, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job, "write_rejects", fail)
    assert run_to_exit_code(lambda: job.run(Settings(input=str(raw)))) == 75
    assert list(store.objects("catalogue/")) == []


def test_statistics_agree_with_the_catalogue(store: Store, raw: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    made = prepared(store, raw, tokenizer=str(tmp_path))
    statistics = json.loads(made.artifact.fetch(layout.STATISTICS_FILE, tmp_path).read_text())
    kept = products(made, tmp_path)
    assert sum(statistics["rejected"].values()) == statistics["rows"]["rejected"]
    assert statistics["clusters"]["count"] == len(set(kept["cluster"].to_pylist()))
    assert sum(statistics["clusters"]["sizes"].values()) == statistics["clusters"]["count"]
    texts = {
        (title.lower(), content.lower())
        for title, content in zip(*kept.select([1, 2]).to_pydict().values(), strict=True)
    }
    assert statistics["duplicates"]["exact"] == kept.num_rows - len(texts)
    words = sorted(len(content.split()) for content in kept["content"].to_pylist())
    assert (statistics["words"]["content"]["min"], statistics["words"]["content"]["max"]) == (words[0], words[-1])
    assert {**statistics["tokens"]["content"], "x": 0} == {**statistics["words"]["content"], "x": 0}
    assert sum(shard["rows"] for shard in statistics["shards"]) + statistics["held_out"] == kept.num_rows
    assert "tokenizer" in made.artifact.manifest.inputs


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)])
def test_a_job_killed_during_its_uploads_makes_the_same_catalogue_when_it_is_run_again(
    store: Store, raw: Path, number: signal.Signals, exit_code: int
) -> None:
    settings = {"shard_rows": 20}  # many files, so that the signal arrives between two of them
    undisturbed = prepared(store, raw, "undisturbed", **settings)
    name, ended_with = killed_during_its_uploads(store, raw, number)
    assert ended_with == exit_code
    assert prepared(store, raw, name, **settings).digest == undisturbed.digest
    remaining = {stored.key.split("/")[2] for stored in store.objects(f"{layout.catalogue_path(name)}/")}
    assert len(remaining) == 2  # the manifest and one attempt


def killed_during_its_uploads(store: Store, raw: Path, number: signal.Signals) -> tuple[str, int]:
    """Return the name of a catalogue that a killed job did not finish, and the exit code. Retries if the job was faster."""
    for attempt in range(5):
        name = f"killed-{attempt}"
        command = [sys.executable, "-m", "jobs", "prepare", "--input", str(raw), "--catalogue", name]
        command += ["--shard-rows", "20", "--held-out-rows", "100", "--processes", "1"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not any(store.objects(f"{layout.catalogue_path(name)}/")):
                time.sleep(0.01)
            process.send_signal(number)
        if store.read(f"{layout.catalogue_path(name)}/{layout.MANIFEST}") is None:
            return name, process.returncode
    raise AssertionError("the job finished before the signal in each of five attempts")


def row(number: int, title: str, content: str) -> dict[str, Any]:
    return {"uid": f"U{number}", "title": title, "content": content}


def test_a_lone_surrogate_in_a_row_does_not_end_the_job(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = lines_of([row(number, f"Lamp {number}", f"A lamp of brass, number {number}.") for number in range(5)])
    path.write_bytes(lines + b'\n{"uid": "U9", "title": "Lamp \\ud83d", "content": "A lamp with half a smile."}')
    made = prepared(store, path)
    assert "Lamp" in products(made, tmp_path)["title"].to_pylist()


def test_rows_with_the_same_content_share_a_cluster_and_a_split(store: Store, tmp_path: Path) -> None:
    shared = "The same long text, word for word, about a garden, its flowers and what grows there in spring."
    rows = [
        row(number, f"Volume {number} of {number * 7 % 13}", f"A text of its own: {number}") for number in range(300)
    ]
    rows += [row(300 + number, f"Garden book {number}", shared) for number in range(8)]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines_of(rows))
    same = products(prepared(store, path), tmp_path).filter(pc.field("content") == shared)
    assert same.num_rows == 8
    assert len(set(same["cluster"].to_pylist())) == 1
    assert len(set(same["split"].to_pylist())) == 1


def test_five_rows_have_one_held_out_and_one_test_row(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    words = ("kettle", "lamp", "desk", "chair", "clock")
    path.write_bytes(
        lines_of([row(number, f"A {word}", f"What a {word} that is") for number, word in enumerate(words)])
    )
    made = prepared(store, path)
    assert sorted(products(made, tmp_path)["split"].to_pylist()) == ["held-out", "test", "train", "train", "train"]


def test_an_unexpected_number_of_shards_is_a_configuration_error_of_a_finished_catalogue(
    store: Store, raw: Path
) -> None:
    for _ in range(2):  # a new catalogue, then an existing one
        with pytest.raises(ConfigurationError, match=r"has 5 shards, expected 65: change --expected-shards"):
            prepared(store, raw, expected_shards=65)
    assert prepared(store, raw, expected_shards=5).shards == 5


@pytest.mark.parametrize(
    "address", ["http://bob:hush@host/rows", "HTTPS://host/rows?X-Signature=hush", "ftp://b:hush@h/x"]
)
def test_an_address_with_a_secret_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(Settings, "prepare", "", ["--input", address])
    assert "hush" not in str(caught.value)
    assert "--input" in str(caught.value)


def catalogue_of(rows: int) -> list[dict[str, Any]]:
    return [
        row(number, f"Lamp {number}", f"A lamp of brass, {number * 7919} lumen, number {number}.")
        for number in range(rows)
    ]


BROKEN = {
    "trailing commas": (b",\n".join(map(bytes, map(str.encode, map(json.dumps, catalogue_of(40))))), "trailing comma"),
    "Latin-1": (
        "\n".join(json.dumps({**row, "title": "Café"}, ensure_ascii=False) for row in catalogue_of(9)).encode(
            "latin-1"
        ),
        "Latin-1",
    ),
    "Python": ("\n".join(map(str, catalogue_of(9))).encode(), "Python literals"),
    "broken CSV": (b"uid,title,content\n" + b"1,Lamp,Of brass, not of steel\n" * 9, "9 broken-csv"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_too_many_unreadable_rows_publish_nothing(store: Store, tmp_path: Path, name: str) -> None:
    path = tmp_path / "raw"
    data, appearance = BROKEN[name]
    path.write_bytes(data)
    with pytest.raises(InputError, match="rows are unreadable") as caught:
        prepared(store, path)
    assert "--max-unreadable" in str(caught.value)
    assert "begins with" in str(caught.value)
    assert appearance in str(caught.value)
    assert list(store.objects("catalogue/")) == []


def test_a_few_unreadable_rows_are_a_warning_with_an_example(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "raw"
    path.write_bytes(lines_of(catalogue_of(40)) + b'\n{"uid": "broken')
    with pytest.raises(
        InputError, match=r"1 of 41 rows are unreadable \(1 broken-json\).*row 41 begins with '\{\"uid\": \"broken'"
    ):
        prepared(store, path, max_unreadable=0.02)
    capsys.readouterr()
    made = prepared(store, path)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [warning] = [event for event in events if event["level"] == "warning"]
    assert (warning["unreadable"], warning["read"], warning["row"]) == (1, 41, 41)
    assert warning["begins_with"] == '{"uid": "broken'
    assert prepared(store, path, max_unreadable=0.5).digest == made.digest


def test_uids_that_are_floats_because_one_is_missing_are_integers(store: Store, tmp_path: Path) -> None:
    rows = catalogue_of(30)
    uids = [None, *(1000.0 + number for number in range(1, 30))]
    table = pa.Table.from_pylist(rows).set_column(0, "uid", pa.array(uids, pa.float64()))
    pq.write_table(table, tmp_path / "rows.parquet")
    lines = _written(
        tmp_path, "rows.jsonl", lines_of([{**row, "uid": uid} for row, uid in zip(rows, uids, strict=True)])
    )
    expected = {"line-1", *(str(1000 + number) for number in range(1, 30))}
    for name, source in (("parquet", tmp_path / "rows.parquet"), ("lines", lines)):
        assert set(products(prepared(store, source, name), tmp_path)["uid"].to_pylist()) == expected


def test_uids_with_many_digits_keep_each_of_them(store: Store, tmp_path: Path) -> None:
    uid, source = 123_456_789_012_345_678_901, tmp_path / "rows.jsonl"
    source.write_bytes(lines_of([{"uid": uid, "title": "Lamp", "content": "A lamp for a desk."}, OTHER]))
    assert str(uid) in products(prepared(store, source), tmp_path)["uid"].to_pylist()


def test_a_title_that_describe_would_refuse_is_rejected(store: Store, tmp_path: Path) -> None:
    titles = ["Lamp " * 400, "Lamp " * 401]
    rows = [
        {"uid": str(n), "title": title, "content": f"A lamp for a desk, number {n}."} for n, title in enumerate(titles)
    ]
    source = tmp_path / "rows.jsonl"
    source.write_bytes(lines_of([*rows, OTHER]))
    [reject] = rejects(prepared(store, source), tmp_path)
    assert (reject["uid"], reject["reason"], len(reject["text"])) == ("1", "title-too-long", 200)


def test_too_many_uids_that_are_no_text_publish_nothing(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path, "raw", lines_of([{**row, "uid": [row["uid"]]} for row in catalogue_of(40)]))
    with pytest.raises(InputError, match=r"40 of 40 rows are unreadable \(40 uid-not-text\), .*--max-unreadable"):
        prepared(store, path)
    path.write_bytes(lines_of([*catalogue_of(40), {**OTHER, "uid": 1.5}]))
    made = prepared(store, path)
    assert [(reject["row"], reject["reason"]) for reject in rejects(made, tmp_path)] == [(41, "uid-not-text")]
    assert '"reasons": "1 uid-not-text", "row": 41' in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_chosen_uid_field_that_no_row_has_publishes_nothing(store: Store, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"raw.{suffix}"
    rows = catalogue_of(9)
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_bytes(
            lines_of(rows) if suffix == "jsonl" else b"uid,title,content\n" + b"1,Lamp,Of brass and steel\n" * 9
        )
    settings = Settings(input=str(path), uid_field="sku", processes=1)
    assert run_to_exit_code(lambda: job.run(settings)) == 65
    with pytest.raises(InputError, match=r"'uid', 'title', 'content', expected one named sku.*--uid-field"):
        job.run(settings)
    assert list(store.objects("catalogue/")) == []


def test_an_unreadable_file_is_named_as_such_also_if_a_uid_field_was_chosen(store: Store, tmp_path: Path) -> None:
    path = _written(tmp_path, "raw", json.dumps({"products": catalogue_of(9)}).encode())
    with pytest.raises(InputError, match="rows in 'products'"):
        prepared(store, path, uid_field="sku")


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_a_table_with_an_unnamed_index_gives_the_same_products(store: Store, tmp_path: Path, delimiter: str) -> None:
    rows = catalogue_of(20)
    records = [["", *rows[0]], *([str(number), *row.values()] for number, row in enumerate(rows))]
    records.append(["20", "U20", "Lamp 20", ""])
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(records)
    made = prepared(store, _written(tmp_path, "rows.tsv", text.getvalue().encode()))
    kept = products(made, tmp_path).sort_by("row")
    assert kept["uid"].to_pylist() == [row["uid"] for row in rows]
    assert kept["title"].to_pylist() == [row["title"] for row in rows]
    assert [reject["reason"] for reject in rejects(made, tmp_path)] == ["no-content"]


def test_rows_without_a_uid_are_a_warning(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{name: row[name] for name in ("title", "content")} for row in catalogue_of(9)]
    prepared(store, _written(tmp_path, "raw", lines_of(rows)))
    assert capsys.readouterr().err.count('"rows have no uid: line numbers are used"') == 1


def test_the_reasons_of_rejected_rows_are_logged(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"uid": f"{n // 2}", "title": f"Lamp {n}", "content": f"A lamp of kind {n} for room {n}"} for n in range(9)]
    source = tmp_path / "rows.jsonl"
    source.write_bytes(lines_of([*rows, {"uid": "without", "title": "A lamp"}, OTHER]))
    prepared(store, source)
    records = {record["event"]: record for record in map(json.loads, capsys.readouterr().err.splitlines())}
    rejected = records["rows rejected"]
    assert (rejected["rejected"], rejected["read"]) == (5, 11)
    assert rejected["reasons"] == "4 duplicate-uid, 1 no-content"
    repeated = records["rows with the uid of an earlier row rejected"]
    assert (repeated["level"], repeated["rejected"]) == ("warning", 4)
    assert "--uid-field" in repeated["remedy"]


def test_settings_of_fields_are_recorded_only_if_they_are_set(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(lines_of(catalogue_of(9)))
    names = {"max_unreadable", "title_field", "content_field", "uid_field"}
    assert not names & set(prepared(store, path).artifact.manifest.settings)
    chosen = prepared(store, path, "chosen", uid_field="uid")
    assert names & set(chosen.artifact.manifest.settings) == {"uid_field"}
    with pytest.raises(ConfigurationError, match="uid_field"):
        prepared(store, path, "chosen")


def test_every_format_gives_the_same_products(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = catalogue_of(30)
    expected = prepared(store, _written(tmp_path, "rows.jsonl", lines_of(rows)), "lines")
    csv_text = "UID,Title,Content\n" + "".join(f'{row["uid"]},{row["title"]},"{row["content"]}"\n' for row in rows)
    dump = [{"asin": row["uid"], "title": row["title"], "description": [row["content"]]} for row in rows]
    pq.write_table(pa.Table.from_pylist(dump), tmp_path / "rows.parquet")
    sources_of_rows = {
        "csv": _written(tmp_path, "rows.csv.xz", lzma.compress(csv_text.encode("utf-16"))),
        "parquet": tmp_path / "rows.parquet",
        "dump": _written(tmp_path, "dump.json.bz2", bz2.compress(lines_of(dump))),
    }
    for name, source in sources_of_rows.items():
        made = products(prepared(store, source, name), tmp_path).drop_columns(["row", "cluster"])
        assert made.sort_by("uid") == products(expected, tmp_path).drop_columns(["row", "cluster"]).sort_by("uid")
    assert (
        '"event": "fields", "format": "Parquet", "title": "title", "content": "description", "uid": "asin"'
        in capsys.readouterr().err
    )


def _written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@pytest.mark.parametrize(
    "rows",
    [
        catalogue_of(1),
        [{**row, "uid": f"U{number}"} for number, row in enumerate(catalogue_of(1) * 30)],
    ],
    ids=["one product", "one product thirty times"],
)
def test_products_of_which_none_can_be_set_aside_are_an_input_error(
    store: Store, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    with pytest.raises(InputError, match="at least two products"):
        prepared(store, _written(tmp_path, "raw", lines_of(rows)))
    assert list(store.objects("catalogue/")) == []


def test_rows_that_all_have_one_uid_are_an_input_error_that_names_it(store: Store, tmp_path: Path) -> None:
    rows = [{**row, "uid": "U1"} for row in distinct_rows(10)]
    with pytest.raises(
        InputError, match=r"found one, and 9 with the uid of an earlier one \(1 usable rows\): .*--uid-field"
    ):
        prepared(store, _written(tmp_path, "raw", lines_of(rows)))


@pytest.mark.parametrize("copies", [1, 2, 5])
@pytest.mark.parametrize("distinct", [2, 3, 10])
def test_small_catalogues_have_held_out_rows(store: Store, tmp_path: Path, distinct: int, copies: int) -> None:
    rows = [{**row, "uid": f"{row['uid']}-{copy}"} for row in distinct_rows(distinct) for copy in range(copies)]
    made = prepared(store, _written(tmp_path, "raw", lines_of(rows)))
    splits = products(made, tmp_path)["split"].to_pylist()
    assert splits.count(catalogue.HELD_OUT) >= 1
    assert splits.count(catalogue.TRAIN) >= 1


def distinct_rows(count: int) -> list[dict[str, Any]]:
    words = ("kettle", "lamp", "desk", "chair", "clock", "vase", "drill", "router", "jacket", "notebook")
    return [
        row(number, f"A {word}", f"What a {word} that is, {word} by {word}")
        for number, word in enumerate(words[:count])
    ]
