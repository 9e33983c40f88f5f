"""Every persisted name of the store: a store that an earlier version wrote must stay readable, so none of them may change."""

import pytest

from jobs.storage import layout
from jobs.storage.layout import Kind, QuestionGroup


@pytest.mark.parametrize(
    ("path", "persisted"),
    [
        (layout.catalogue_path("main"), "catalogue/main"),
        (layout.shard_file(7), "shard-00007.parquet"),
        (layout.model_path("flan-t5-small"), "models/flan-t5-small"),
        (layout.run_path("main"), "runs/main"),
        (layout.run_config_path("main"), "runs/main/run.json"),
        (layout.trained_shard_name(7), "shard-00007"),
        (layout.trained_shard_path("main", 7), "runs/main/shard-00007"),
        (layout.merged_model_path("main", 7), "runs/main/merged/shard-00007"),
        (layout.checkpoint_name(400), "step-000400"),
        (layout.neighbours_path("main", 7), "runs/main/neighbours/shard-00007"),
        (layout.stage_name(None, retrieval=False), "base"),
        (layout.stage_name(None, retrieval=True), "base-retrieval"),
        (layout.stage_name(7, retrieval=False), "shard-00007"),
        (layout.stage_name(7, retrieval=True), "shard-00007-retrieval"),
        (layout.evaluations_path("main"), "runs/main/evaluation"),
        (layout.evaluation_path("main", "base"), "runs/main/evaluation/base"),
        (layout.report_path("main"), "runs/main/report"),
        (layout.export_path("main"), "exports/main"),
        (layout.export_part_name(7), "part-00007"),
        (layout.export_part_path("main", 7), "exports/main/part-00007"),
        (layout.audit_path("main"), "exports/main/audit"),
    ],
)
def test_each_path_is_the_persisted_one(path: str, persisted: str) -> None:
    assert path == persisted


@pytest.mark.parametrize(
    ("name", "persisted"),
    [
        ("MANIFEST", "manifest.json"),
        ("ATTEMPT_PREFIX", "attempt-"),
        ("CATALOGUES", "catalogue/"),
        ("MODELS", "models/"),
        ("RUNS", "runs/"),
        ("EXPORTS", "exports/"),
        ("SHARD_PREFIX", "shard-"),
        ("MODEL_PREFIX", "model/"),
        ("CHECKPOINT_FOLDER", "state/"),
        ("HELD_OUT_FILE", "held-out.parquet"),
        ("REJECTS_FILE", "rejects.parquet"),
        ("STATISTICS_FILE", "statistics.json"),
        ("METRICS_FILE", "metrics.jsonl"),
        ("MODEL_CARD_FILE", "README.md"),
        ("MOMENTUM_FILE", "momentum.safetensors"),
        ("NEIGHBOURS_FILE", "neighbours.parquet"),
        ("ANSWERS_FILE", "answers.parquet"),
        ("SCORES_FILE", "scores.json"),
        ("LABELS_FILE", "labels.parquet"),
        ("REPORT_PAGE", "index.html"),
        ("REPORT_PDF", "report.pdf"),
        ("REPORT_TABLES", ("answers.csv", "shards.csv", "stages.csv")),
    ],
)
def test_each_file_name_is_the_persisted_one(name: str, persisted: object) -> None:
    assert getattr(layout, name) == persisted


def test_each_kind_is_the_persisted_one() -> None:
    assert {kind.name: str(kind) for kind in Kind} == {
        "CATALOGUE": "catalogue",
        "MODEL": "model",
        "TRAINED_SHARD": "trained-shard",
        "MERGED_MODEL": "merged-model",
        "CHECKPOINT": "training-state",
        "NEIGHBOURS": "neighbours",
        "MATCHER": "matcher",
        "EVALUATION": "evaluation",
        "EXPORT": "export",
        "EXPORT_PART": "export-part",
        "AUDIT": "audit",
        "REPORT": "report",
    }


def test_each_group_of_questions_is_the_persisted_one() -> None:
    assert {group.name: str(group) for group in QuestionGroup} == {
        "HELD_OUT": "held-out",
        "OWN_SHARD": "own-shard",
        "FIRST_SHARD": "first-shard",
    }


def test_names_sort_as_their_numbers_do() -> None:
    for name in (layout.shard_file, layout.trained_shard_name, layout.checkpoint_name, layout.export_part_name):
        names = [name(number) for number in (2, 10, 300)]
        assert names == sorted(names)
