"""prepare: raw rows to a catalogue, every row accounted for, no twin on the other side of a split."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from jobs.prepare import job as prepare
from jobs.prepare import settings as prepare_settings
from jobs.process.errors import ConfigurationError, InputError, JobError
from jobs.process.lifecycle import run_to_exit_code
from jobs.process.settings import parse
from jobs.sample import sample_rows
from jobs.storage import catalogue, layout, sources
from jobs.storage.catalogue import Catalogue
from jobs.storage.store import Store


def lines_of(rows: Sequence[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def prepared(store: Store, path: Path, name: str = "main", **others: Any) -> Catalogue:
    settings = {"shard_rows": 200, "held_out_rows": 100, "processes": 1, **others}
    prepare.run(prepare_settings.Settings(input=str(path), catalogue=name, **settings))
    return catalogue.require(store, name)


def products(made: Catalogue, folder: Path) -> pa.Table:
    return pa.concat_tables([made.read_file(name, folder) for name in made.files()])


def rejects(made: Catalogue, folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(made.artifact.fetch(layout.REJECTS_FILE, folder)).to_pylist()
    return found


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw.json.gz"
    path.write_bytes(gzip.compress(lines_of(sample_rows(900, seed=5))))
    return path


def test_every_row_is_kept_or_rejected(store: Store, raw: Path, tmp_path: Path) -> None:
    made = prepared(store, raw)
    kept, left_out = products(made, tmp_path), rejects(made, tmp_path)
    figures = made.artifact.manifest.figures
    assert (figures["read"], figures["kept"], figures["rejected"]) == (900, kept.num_rows, len(left_out))
    assert sorted([*kept["row"].to_pylist(), *(reject["row"] for reject in left_out)]) == list(range(1, 901))
    assert [reject["row"] for reject in left_out] == sorted(reject["row"] for reject in left_out)
    assert kept.schema == catalogue.PRODUCT_SCHEMA


def test_no_cluster_stands_on_both_sides_of_any_split(store: Store, raw: Path, tmp_path: Path) -> None:
    made = prepared(store, raw)
    sides: dict[int, set[str]] = {}
    for name in made.files():
        for product in made.read_file(name, tmp_path).to_pylist():
            side = f"{name} test" if product["split"] == catalogue.TEST else product["split"]
            sides.setdefault(product["cluster"], set()).add(side)
    assert made.artifact.manifest.figures["duplicates_near"] > 20
    assert all(len(found) == 1 for found in sides.values())


def test_shards_have_their_share_of_test_rows_and_the_held_out_set_is_its_own(
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


def test_the_same_rows_give_the_same_bytes_however_they_come(store: Store, raw: Path, tmp_path: Path) -> None:
    rows = sample_rows(900, seed=5)
    (tmp_path / "plain.jsonl").write_bytes(lines_of(rows))
    (tmp_path / "array.json").write_text(json.dumps(rows))
    store.write("raw/rows", raw.read_bytes())
    one = prepared(store, raw, "one")
    for name, source in (("plain", tmp_path / "plain.jsonl"), ("array", tmp_path / "array.json")):
        assert _hashes(prepared(store, source, name)) == _hashes(one)
    prepare.run(
        prepare_settings.Settings(input=store.at("raw/rows"), catalogue="s3", shard_rows=200, held_out_rows=100)
    )
    assert _hashes(catalogue.require(store, "s3")) == _hashes(one)


def test_the_number_of_processes_changes_no_byte(store: Store, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.prepare.rows.CHUNK_BYTES", 20_000)
    assert prepared(store, raw, "one").digest == prepared(store, raw, "three", processes=3).digest


def _hashes(made: Catalogue) -> dict[str, str]:
    return {name: item.sha256 for name, item in made.artifact.manifest.files.items()}


def test_the_seed_changes_the_order_and_the_held_out_set(store: Store, raw: Path, tmp_path: Path) -> None:
    one, other = (prepared(store, raw, f"seed-{seed}", seed=seed) for seed in (1, 2))
    assert one.read_held_out(tmp_path / "1") != other.read_held_out(tmp_path / "2")


def test_what_is_done_is_not_read_again(store: Store, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = prepared(store, raw).artifact.manifest
    monkeypatch.setattr(sources, "opened", None)
    assert prepared(store, raw).artifact.manifest == before


def test_a_source_that_was_touched_is_compared_by_content(store: Store, raw: Path) -> None:
    before = prepared(store, raw).artifact.manifest
    os.utime(raw, ns=(1, 1))
    assert prepared(store, raw).artifact.manifest == before
    raw.write_bytes(gzip.compress(lines_of(sample_rows(900, seed=6))))
    with pytest.raises(ConfigurationError, match="rows was"):
        prepared(store, raw)


def test_other_settings_need_another_name(store: Store, raw: Path) -> None:
    prepared(store, raw)
    with pytest.raises(ConfigurationError, match=r"similarity was 0\.8, now 0\.9"):
        prepared(store, raw, similarity=0.9)


def test_bad_rows_are_rejected_with_line_and_reason(store: Store, tmp_path: Path) -> None:
    good = [
        {"uid": str(n), "title": f"Lamp number {n}", "content": f"It gives {n * n} lumen of warm light."}
        for n in range(40)
    ]
    bad = [
        b'{"uid": "broken',
        b'{"uid": "e", "title": "t", "content": "caf\xe9 au lait"}',
        lines_of([{"uid": "0", "title": "Again", "content": "The same uid once more."}]),
        lines_of([{"uid": "big", "title": "Big", "content": "x" * 10_000_000}]),
        lines_of([{"uid": "tag", "title": "<span class='a'", "content": "A title of markup alone."}]),
        lines_of([{"uid": "none", "title": "Nothing", "content": "<p>&nbsp;</p>"}]),
        lines_of([{"uid": "few", "title": "Short", "content": "Book by"}]),
        lines_of([{"uid": "same", "title": "Worship with Don", "content": "<b>worship with Don</b>"}]),
    ]
    path = tmp_path / "raw"
    path.write_bytes(lines_of(good) + b"\n\n" + b"\n".join(bad))
    made = prepared(store, path)
    found = [(reject["row"], reject["uid"], reject["reason"]) for reject in rejects(made, tmp_path)]
    assert found == [
        (42, None, "broken-json"),
        (43, None, "invalid-utf-8"),
        (44, "0", "duplicate-uid"),
        (45, None, "too-long"),
        (46, "tag", "title-empty-once-cleaned"),
        (47, "none", "content-empty-once-cleaned"),
        (48, "few", "content-too-short"),
        (49, "same", "content-repeats-title"),
    ]
    assert made.artifact.manifest.figures["kept"] == 40


def test_a_long_content_is_cut_at_a_word(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(lines_of([{"uid": "1", "title": "Long", "content": "word " * 1000}]))
    content = products(prepared(store, path, max_content_characters=101), tmp_path)["content"][0].as_py()
    assert content == " ".join(["word"] * 20)


def test_the_reference_profile_can_be_chosen(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(lines_of([{"uid": "1", "title": 'A 10" pan', "content": "Don't heat it over 50%, ever!"}]))
    row = products(prepared(store, path, profile="reference"), tmp_path).to_pylist()[0]
    assert (row["title"], row["content"]) == ("A 10 pan", "Dont heat it over 50, ever!")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", InputError, "no rows"),
        (gzip.compress(b"", mtime=0), InputError, "no rows"),
        (b"[]", InputError, "no rows"),
        (gzip.compress(lines_of(sample_rows(300, seed=1)), mtime=0)[:-20], InputError, "breaks off"),
        (b"<html><body>Not found</body></html>", InputError, "none of 1 rows"),
        (None, ConfigurationError, "no file"),
    ],
)
def test_bad_input_ends_with_its_code_and_publishes_nothing(
    store: Store, tmp_path: Path, data: bytes | None, error: type[JobError], message: str
) -> None:
    path = tmp_path / "raw"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(error, match=message):
        prepared(store, path)
    assert list(store.objects("catalogue/")) == []


def test_an_address_of_another_kind_is_a_wrong_setting(store: Store) -> None:
    with pytest.raises(ValueError, match="s3://BUCKET/KEY"):
        prepare_settings.Settings(input="ftp://host/rows")


def test_a_tokenizer_that_is_not_there_is_a_wrong_setting(store: Store, raw: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json"):
        prepared(store, raw, tokenizer="nowhere")


def test_a_full_disk_publishes_nothing(store: Store, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jobs.prepare.catalogue_files.write_rejects", full)
    assert run_to_exit_code(lambda: prepare.run(prepare_settings.Settings(input=str(raw)))) == 75
    assert list(store.objects("catalogue/")) == []


def test_statistics_tell_lengths_duplicates_and_reasons(store: Store, raw: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    made = prepared(store, raw, tokenizer=str(tmp_path))
    found = json.loads(made.artifact.fetch(layout.STATISTICS_FILE, tmp_path).read_text())
    kept = products(made, tmp_path)
    assert sum(found["rejected"].values()) == found["rows"]["rejected"]
    assert found["clusters"]["count"] == len(set(kept["cluster"].to_pylist()))
    assert sum(found["clusters"]["sizes"].values()) == found["clusters"]["count"]
    texts = {
        (title.lower(), content.lower())
        for title, content in zip(*kept.select([1, 2]).to_pydict().values(), strict=True)
    }
    assert found["duplicates"]["exact"] == kept.num_rows - len(texts)
    words = sorted(len(content.split()) for content in kept["content"].to_pylist())
    assert (found["words"]["content"]["min"], found["words"]["content"]["max"]) == (words[0], words[-1])
    assert {**found["tokens"]["content"], "x": 0} == {**found["words"]["content"], "x": 0}
    assert sum(shard["rows"] for shard in found["shards"]) + found["held_out"] == kept.num_rows
    assert "tokenizer" in made.artifact.manifest.inputs


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_at_any_moment_and_run_again_it_makes_the_same(store: Store, raw: Path, number: signal.Signals) -> None:
    undisturbed = prepared(store, raw, "undisturbed")
    moments = random.Random(7)
    command = [sys.executable, "-m", "jobs", "prepare", "--input", str(raw), "--catalogue", "killed"]
    command += ["--shard-rows", "200", "--held-out-rows", "100", "--processes", "1"]
    for _ in range(2):
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        time.sleep(moments.uniform(0.3, 2))
        process.send_signal(number)
        process.communicate()
        if number == signal.SIGTERM:
            assert process.returncode in (143, 0, -15)
    assert prepared(store, raw, "killed").digest == undisturbed.digest
    assert len({item.key.split("/")[2] for item in store.objects("catalogue/killed/")}) == 2  # manifest and one attempt


def row(number: int, title: str, content: str) -> dict[str, Any]:
    return {"uid": f"U{number}", "title": title, "content": content}


def test_half_a_surrogate_pair_in_a_row_does_not_end_the_job(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = lines_of([row(number, f"Lamp {number}", f"A lamp of brass, number {number}.") for number in range(5)])
    path.write_bytes(lines + b'\n{"uid": "U9", "title": "Lamp \\ud83d", "content": "A lamp with half a smile."}')
    made = prepared(store, path)
    assert "Lamp" in products(made, tmp_path)["title"].to_pylist()


def test_a_content_that_several_titles_share_stands_on_one_side_alone(store: Store, tmp_path: Path) -> None:
    shared = "The same long text, word for word, about a garden, its flowers and what grows there in spring."
    rows = [
        row(number, f"Volume {number} of {number * 7 % 13}", f"A text of its own: {number}") for number in range(300)
    ]
    rows += [row(300 + number, f"Garden book {number}", shared) for number in range(8)]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines_of(rows))
    found = products(prepared(store, path), tmp_path).filter(pa.compute.field("content") == shared)
    assert found.num_rows == 8
    assert len(set(found["cluster"].to_pylist())) == 1
    assert len(set(found["split"].to_pylist())) == 1


def test_a_handful_of_rows_has_one_that_is_held_out(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    words = ("kettle", "lamp", "desk", "chair", "clock")
    path.write_bytes(
        lines_of([row(number, f"A {word}", f"What a {word} that is") for number, word in enumerate(words)])
    )
    made = prepared(store, path)
    assert sorted(products(made, tmp_path)["split"].to_pylist()) == ["held-out", "test", "train", "train", "train"]


def test_another_number_of_shards_than_expected_is_a_wrong_setting_and_the_catalogue_stands(
    store: Store, raw: Path
) -> None:
    for _ in range(2):  # made, and found made
        with pytest.raises(ConfigurationError, match=r"has 5 shards, 65 were expected.*`shards: 5`"):
            prepared(store, raw, expected_shards=65)
    assert prepared(store, raw, expected_shards=5).shards == 5


@pytest.mark.parametrize(
    "address", ["http://bob:hush@host/rows", "HTTPS://host/rows?X-Signature=hush", "ftp://b:hush@h/x"]
)
def test_an_address_with_a_secret_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(prepare_settings.Settings, "prepare", "", ["--input", address])
    assert "hush" not in str(caught.value)
    assert "--input" in str(caught.value)
