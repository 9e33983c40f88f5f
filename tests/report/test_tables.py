"""The CSV files of a report."""

import csv
import io

import pyarrow as pa
import pytest

from jobs.report.history import CatalogueSummary, History, Stage
from jobs.report.tables import answers_csv

EARLIER = Stage("base", None, False, {}, {}, pa.table({"uid": ["a"], "flags": [["short", "copied"]]}), None)
LATER = Stage("shard-00000", 0, False, {}, {}, pa.table({"uid": ["a"], "probability": [0.5], "flags": [[]]}), None)


@pytest.mark.parametrize("stages", [(EARLIER, LATER), (LATER, EARLIER)], ids=["earlier first", "later first"])
def test_the_answers_of_two_versions_have_the_columns_of_both(stages: tuple[Stage, ...]) -> None:
    run = History("main", {}, "base", {}, CatalogueSummary("main", 1, {}, {}), (), stages, "", None, {})
    rows = {row["stage"]: row for row in csv.DictReader(io.StringIO(answers_csv(run).decode()))}
    assert rows == {
        "base": {"stage": "base", "uid": "a", "probability": "", "flags": "short copied"},
        "shard-00000": {"stage": "shard-00000", "uid": "a", "probability": "0.5", "flags": ""},
    }


def test_without_an_evaluation_the_table_of_answers_is_empty() -> None:
    run = History("main", {}, "base", {}, CatalogueSummary("main", 1, {}, {}), (), (), "", None, {})
    assert answers_csv(run) == b"stage\n"
