"""`audit`: a sample of a batch is drawn, labelled, read back, stored and reported."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.audit import job, labels, results
from jobs.audit.settings import Settings
from jobs.audit.worksheet import COLUMNS
from jobs.cli import main
from jobs.database.connection import session
from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.quality.intervals import wilson
from jobs.quality.publish_threshold import LabelledText, labelled_texts, publish_threshold
from jobs.storage import artifact, layout
from jobs.storage.artifact import Spec
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from tests.audit import batches
from tests.database.roles import reader

pytestmark = pytest.mark.usefixtures("database")
Cells = dict[str, str]


def audit(store: Store, out: Path, **settings: object) -> None:
    job.run(Settings.model_validate({"store": store.url, "out": out, **settings}))


def drawn(path: Path) -> list[Cells]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def fill(path: Path, label: Callable[[Cells], str | None], delimiter: str = ",") -> Path:
    """Write the labels into a drawn file. Returns it."""
    rows = drawn(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(row | {"label": label(row) or ""} for row in rows)
    return path


def only(uid: str, label: str = "right") -> Callable[[Cells], str | None]:
    return lambda row: label if row["uid"] == uid else None


def query(text: str) -> list[tuple[Any, ...]]:
    with session(read_only=True) as connection:
        return connection.execute(text.encode()).fetchall()


def labelled(catalogue: str, matcher_digest: str) -> list[LabelledText]:
    with session(read_only=True) as connection:
        return labelled_texts(connection, catalogue, matcher_digest, ["off-title"])


def test_labels_of_a_batch_of_2000_are_read_back(
    store: Store, tmp_path: Path, database: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    batches.write([batches.description(number) for number in range(2000)])
    audit(store, tmp_path, rows=200)
    rows = drawn(tmp_path / "audit.csv")
    assert len({row["uid"] for row in rows}) == 200
    assert sum(row["published"] == "true" for row in rows) == 100
    assert {row["stratum"] for row in rows} == {"published", "off-title", "contradicts", "copied", "short"}
    number_of = {row["uid"]: number for number, row in enumerate(rows)}
    file = fill(
        tmp_path / "audit.csv",
        lambda row: "wrong" if row["published"] == "false" or number_of[row["uid"]] % 20 == 0 else "right",
    )
    right = sum(row["label"] == "right" for row in drawn(file))
    capsys.readouterr()
    audit(store, tmp_path, labels=str(file))

    share = wilson(right, 100)
    [published, held_back] = query("SELECT * FROM skuscribe.audit_result")
    assert published[:4] == ("main", "published", 100, right)
    assert published[4:7] == pytest.approx((share.value, share.low, share.high))
    assert published[7] == held_back[7] == 0
    assert held_back[1:5] == ("held back", 100, 0, 0.0)
    reasons = {row[1]: row[2:5] for row in query("SELECT * FROM skuscribe.audit_by_reason")}
    assert set(reasons) == {"off-title", "contradicts", "copied", "short"}
    assert all(labelled == wrong > 0 and share == 1.0 for labelled, wrong, share in reasons.values())
    printed = capsys.readouterr().out
    assert f"published       100  {right:>6}    {right}.0%  {share.low:.1%} to {share.high:.1%}" in printed

    with reader(environment, database) as connection:
        for view in ("audited", "audit_result", "audit_by_reason", "audit_label"):
            assert connection.execute(f"TABLE skuscribe.{view}".encode()).fetchall()

    committed = artifact.require(store, layout.audit_path("main"), Kind.AUDIT, "audit")
    assert committed.manifest.figures["labelled"] == 200
    stored = pq.read_table(committed.fetch(layout.LABELS_FILE, tmp_path)).to_pylist()
    assert {row["uid"]: row["label"] for row in stored} == {row["uid"]: row["label"] for row in drawn(file)}


def test_a_text_is_drawn_with_its_neighbours_and_one_that_failed_or_is_empty_is_not(
    store: Store, tmp_path: Path
) -> None:
    row = replace(batches.description(0), neighbours=("N1", "GONE", "N2"))
    failed, empty = replace(row, uid="F", error="no title"), replace(row, uid="E", description="", flags=("empty",))
    batches.write([row, failed, empty])
    with session() as connection:
        connection.execute("CREATE TABLE skuscribe.product_1_0 PARTITION OF skuscribe.product FOR VALUES IN ('main')")
        for number, uid in enumerate(("N2", "N1")):
            connection.execute(
                "INSERT INTO skuscribe.product VALUES ('main', %s, %s, 'Text.', 0, 'train', 0, %s, '')",
                [uid, f"Title {uid}", number],
            )
    audit(store, tmp_path)
    [found] = drawn(tmp_path / "audit.csv")
    assert found["uid"] == row.uid
    assert found["neighbours"] == "Title N1: Text.\nTitle N2: Text."


def test_a_file_that_may_have_labels_is_not_overwritten(store: Store, tmp_path: Path) -> None:
    batches.write([batches.description(number) for number in range(3)])
    audit(store, tmp_path)
    audit(store, tmp_path)
    fill(tmp_path / "audit.csv", lambda row: "right")
    with pytest.raises(ConfigurationError, match="may be labels"):
        audit(store, tmp_path)
    assert {row["label"] for row in drawn(tmp_path / "audit.csv")} == {"right"}


@pytest.fixture
def file(store: Store, tmp_path: Path) -> Path:
    """Return a drawn file of three texts, P000000 published, P000001 and P000002 held back."""
    batches.write([batches.description(number) for number in range(3)])
    audit(store, tmp_path)
    return tmp_path / "audit.csv"


def test_a_label_that_cannot_be_used_ends_the_job_with_65_and_none_is_stored(
    store: Store, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(file, lambda row: "maybe" if row["uid"] == "P000001" else "right")
    assert main(["audit", "--labels", str(file)]) == InputError.exit_code
    assert re.search(r"audit\.csv: line \d: the label is 'maybe'", capsys.readouterr().err)
    assert query("SELECT * FROM skuscribe.audit_label") == []
    assert artifact.find(store, layout.audit_path("main")) is None


def test_a_wrong_setting_is_reported_before_anything_is_stored(store: Store, file: Path) -> None:
    with pytest.raises(ConfigurationError, match="--labels"):
        audit(store, file.parent, labels=f"{file}.gone")
    fill(file, only("P000000"))
    with pytest.raises(ConfigurationError, match="of the batch 'main', not of 'other'"):
        audit(store, file.parent, labels=str(file), batch="other")
    with pytest.raises(ConfigurationError, match="choose another folder"):
        audit(store, file / "folder")
    with pytest.raises(NotReadyError, match="skuscribe describe --batch other"):
        audit(store, file.parent, batch="other")


def test_a_later_label_replaces_an_earlier_one(store: Store, file: Path) -> None:
    audit(store, file.parent, labels=str(fill(file, only("P000000", "wrong"))))
    store.write("audit.csv", fill(file, only("P000000")).read_bytes())
    audit(store, file.parent, labels=store.at("audit.csv"))
    assert query("SELECT uid, label FROM skuscribe.audit_label") == [("P000000", "right")]
    audit(store, file.parent, labels=str(fill(file, only("P000001", "wrong"))))
    committed = artifact.require(store, layout.audit_path("main"), Kind.AUDIT, "audit")
    assert committed.manifest.figures["labelled"] == 2


def test_a_label_counts_only_for_the_text_that_was_labelled(store: Store, file: Path) -> None:
    audit(store, file.parent, labels=str(fill(file, only("P000000"))))
    row = batches.description(0)
    batches.write([replace(row, description="Another text.")])
    assert query("SELECT * FROM skuscribe.audit_result") == []
    with pytest.raises(InputError, match="another text for 'P000000'"):
        audit(store, file.parent, labels=str(file))
    batches.write([row])
    assert query("SELECT labelled FROM skuscribe.audit_result") == [(1,)]


def test_labels_of_texts_that_are_replaced_while_they_are_read_are_not_stored(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(file, lambda row: "right")
    check = labels.check

    def replace_texts(*arguments: Any) -> list[labels.Label]:
        checked = check(*arguments)
        batches.write([replace(batches.description(number), description="Another text.") for number in replaced])
        return checked

    monkeypatch.setattr(labels, "check", replace_texts)
    for replaced in ([1], [0, 1, 2]):
        batches.write([batches.description(number) for number in range(3)])
        with pytest.raises(
            NotReadyError, match=f"still has the texts of {3 - len(replaced)}: .*run the same command again"
        ):
            audit(store, file.parent, labels=str(file))
        assert query("SELECT * FROM skuscribe.audit_label") == []
        assert artifact.find(store, layout.audit_path("main")) is None


def test_a_table_without_findings_has_its_header_only() -> None:
    assert results.table([], [], 0, []).split() == ["verdict", "labelled", "right", "share", "95", "%", "interval"]


def test_a_reason_is_weighted_by_the_texts_that_each_label_represents(store: Store, tmp_path: Path) -> None:
    """90 texts are copied, 10 are copied and short: 5 labels of each stratum represent 90 and 10 texts."""
    flags = [("copied", "short") if number % 10 == 0 else ("copied",) for number in range(100)]
    batches.write([batches.description(number, flag) for number, flag in enumerate(flags)])
    audit(store, tmp_path, rows=10)
    file = fill(tmp_path / "audit.csv", lambda row: "wrong" if row["stratum"] == "short" else "right")
    audit(store, tmp_path, labels=str(file))
    found = {
        row[0]: row[1:]
        for row in query("SELECT reason, labelled, share_wrong, low, high FROM skuscribe.audit_by_reason")
    }
    assert found["copied"][:2] == (10, pytest.approx(0.1))
    effective = 100**2 / (5 * 18**2 + 5 * 2**2)
    expected = wilson(0.1 * effective, effective)
    assert found["copied"][2:] == pytest.approx((expected.low, expected.high))
    assert found["short"][:2] == (5, 1.0)


def test_labels_give_a_threshold_for_their_catalogue(store: Store, tmp_path: Path) -> None:
    rows = [batches.description(number) for number in range(400)]
    batches.write(rows)
    audit(store, tmp_path, rows=400)
    file = fill(tmp_path / "audit.csv", lambda row: "right" if float(row["probability"]) > 0.96 else "wrong")
    audit(store, tmp_path, labels=str(file))
    assert labelled("main", "its matcher") == [], "the batch is not finished: which matcher checked it is not known"
    spec = Spec(store, layout.export_path("main"), Kind.EXPORT, {}, {"matcher": "its matcher"})
    artifact.make_once(spec, lambda _draft: {})
    audit(store, tmp_path, labels=str(file))
    found = labelled("main", "its matcher")
    assert labelled("other", "its matcher") == []
    depends_on_it = [row for row in rows if row.published or row.flags == ("off-title",)]
    assert len(found) == len(depends_on_it)
    threshold = publish_threshold(found, 0.99)
    assert threshold is not None
    assert threshold.probability == pytest.approx(
        min(row.probability or 0 for row in rows if (row.probability or 0) > 0.96)
    )
    batches.write([replace(row, description="Another text.", published=False, flags=("short",)) for row in rows])
    assert labelled("main", "its matcher") == found, "a batch that is written again keeps its threshold"


def test_labels_of_texts_that_another_matcher_checked_give_no_threshold(store: Store, tmp_path: Path) -> None:
    batches.write([batches.description(number) for number in range(4)])
    spec = Spec(store, layout.export_path("main"), Kind.EXPORT, {}, {"matcher": "its digest"})
    artifact.make_once(spec, lambda _draft: {})
    audit(store, tmp_path)
    audit(store, tmp_path, labels=str(fill(tmp_path / "audit.csv", lambda _row: "right")))
    assert len(labelled("main", "its digest")) == 3  # one of four has another reason than its probability
    assert labelled("main", "another digest") == []


def test_labels_of_texts_that_the_batch_no_longer_has_are_counted_as_outdated(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [batches.description(number) for number in range(10)]
    batches.write(rows)
    audit(store, tmp_path)
    file = fill(tmp_path / "audit.csv", lambda _row: "right")
    audit(store, tmp_path, labels=str(file))
    assert "no longer has" not in capsys.readouterr().out
    assert set(query("SELECT outdated FROM skuscribe.audit_result")) == {(0,)}
    batches.write([replace(row, description="Another text.") for row in rows[:4]])
    assert set(query("SELECT outdated FROM skuscribe.audit_result")) == {(4,)}
    fill(file, only("P000009"))
    audit(store, tmp_path, labels=str(file))
    assert "4 more labels are of texts that the batch no longer has" in capsys.readouterr().out
    committed = artifact.require(store, layout.audit_path("main"), Kind.AUDIT, "audit")
    assert (committed.manifest.figures["labelled"], committed.manifest.figures["outdated"]) == (6, 4)


def test_labels_that_represent_less_than_the_batch_are_reported(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [(), (), ("short",), ("copied",)]
    batches.write([batches.description(number, flags[number % 4]) for number in range(40)])
    audit(store, tmp_path)
    file = fill(tmp_path / "audit.csv", lambda row: "right" if row["stratum"] != "copied" else None)
    capsys.readouterr()
    audit(store, tmp_path, labels=str(file))
    assert "verdict 'held back' represent 10 texts, and the batch has 20: label" in (printed := capsys.readouterr().out)
    assert "verdict 'published'" not in printed
    batches.write([batches.description(number, ()) for number in range(40, 43)])
    assert query("SELECT verdict, represented, texts FROM skuscribe.audit_result") == [
        ("published", 20, 23), ("held back", 10, 20),
    ]  # fmt: skip
    fill(file, lambda _row: "right")
    audit(store, tmp_path, labels=str(file))
    assert "verdict 'published' represent 20 texts, and the batch has 23" in (printed := capsys.readouterr().out)
    assert "verdict 'held back'" not in printed
