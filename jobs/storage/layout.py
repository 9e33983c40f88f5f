"""Every path, artifact kind and file name of the store.

    catalogue/NAME/                manifest.json  shard-00000.parquet ...  held-out.parquet  rejects.parquet  statistics.json
    models/NAME/                   manifest.json  config.json  model.safetensors  tokenizer files
    matchers/NAME/                 manifest.json  words.parquet  alternatives.parquet  weights.safetensors  calibration.json  scores.json
    runs/RUN/run.json              the frozen configuration of the run
    runs/RUN/shard-00007/          manifest.json  model/  metrics.jsonl  state/step-000400/ (checkpoint, at most one kept)
    runs/RUN/merged/shard-00007/   manifest.json  model/  momentum.safetensors (after a round of shards, if several are trained at once)
    runs/RUN/neighbours/shard-00007/   manifest.json  neighbours.parquet
    runs/RUN/evaluation/STAGE/     manifest.json  answers.parquet  scores.json
    runs/RUN/report/               manifest.json  index.html  report.pdf  shards.csv  stages.csv  answers.csv
    exports/BATCH/                 manifest.json  part-00000/ (an artifact per part)
    exports/BATCH/audit/           manifest.json  labels.parquet
    conditional-writes             empty: the object with which each writer checks that the server honours conditions

Every name here is persisted: a change makes stores of earlier versions unreadable.
"""

from enum import StrEnum

MANIFEST = "manifest.json"
RUN_CONFIG = "run.json"
ATTEMPT_PREFIX = "attempt-"
"""The folder of one attempt at an artifact: only the attempt that the manifest names counts."""

CONDITIONAL_WRITES_PROBE = "conditional-writes"

CATALOGUES, MODELS, MATCHERS, RUNS, EXPORTS = "catalogue/", "models/", "matchers/", "runs/", "exports/"
FOLDERS = (CATALOGUES, MODELS, MATCHERS, RUNS, EXPORTS)
SHARD_PREFIX = "shard-"
EXPORT_PART_PREFIX = "part-"
MODEL_PREFIX = "model/"
CHECKPOINT_FOLDER = "state/"

HELD_OUT_FILE, REJECTS_FILE, STATISTICS_FILE = "held-out.parquet", "rejects.parquet", "statistics.json"
METRICS_FILE, MODEL_CARD_FILE, MOMENTUM_FILE = "metrics.jsonl", "README.md", "momentum.safetensors"
NEIGHBOURS_FILE, COUNTERFACTUALS_FILE = "neighbours.parquet", "counterfactuals.parquet"
WORDS_FILE, ALTERNATIVES_FILE, WORD_PAIRS_FILE = "words.parquet", "alternatives.parquet", "word_pairs.safetensors"
ATTRIBUTES_FILE, WEIGHTS_FILE, CALIBRATION_FILE = "attributes.parquet", "weights.safetensors", "calibration.json"
ANSWERS_FILE, SCORES_FILE = "answers.parquet", "scores.json"
LABELS_FILE = "labels.parquet"
REPORT_PAGE, REPORT_PDF = "index.html", "report.pdf"
REPORT_TABLES = ("answers.csv", "shards.csv", "stages.csv")


class Kind(StrEnum):
    """The kinds of artifact, as manifests record them."""

    CATALOGUE = "catalogue"
    MODEL = "model"
    TRAINED_SHARD = "trained-shard"
    MERGED_MODEL = "merged-model"
    CHECKPOINT = "training-state"
    NEIGHBOURS = "neighbours"
    MATCHER = "matcher"
    EVALUATION = "evaluation"
    EXPORT = "export"
    EXPORT_PART = "export-part"
    AUDIT = "audit"
    REPORT = "report"


class QuestionGroup(StrEnum):
    """The groups of questions of an evaluation, as answers.parquet and scores.json record them."""

    HELD_OUT = "held-out"  # products that no shard trains on: the quality of the model
    OWN_SHARD = "own-shard"  # test products of the shard just trained; before any training, of the first shard
    FIRST_SHARD = "first-shard"  # test products of the first shard: forgetting


def catalogue_path(name: str) -> str:
    """Return the path of a catalogue."""
    return f"{CATALOGUES}{name}"


def shard_file(shard: int) -> str:
    """Return the catalogue's file of a shard, counted from 0."""
    return f"{SHARD_PREFIX}{shard:05d}.parquet"


def model_path(name: str) -> str:
    """Return the path of a base model."""
    return f"{MODELS}{name}"


def matcher_path(name: str) -> str:
    """Return the path of a matcher."""
    return f"{MATCHERS}{name}"


def run_path(run: str) -> str:
    """Return the path of a run."""
    return f"{RUNS}{run}"


def run_config_path(run: str) -> str:
    """Return the path of a run's frozen configuration."""
    return f"{run_path(run)}/{RUN_CONFIG}"


def trained_shard_name(shard: int) -> str:
    """Return the name of the model trained on a shard, counted from 0: its folder in the run, and its stage."""
    return f"{SHARD_PREFIX}{shard:05d}"


def trained_shard_path(run: str, shard: int) -> str:
    """Return the path of the model that was trained on a shard."""
    return f"{run_path(run)}/{trained_shard_name(shard)}"


def merged_model_path(run: str, shard: int) -> str:
    """Return the path of the model that the models of a round of shards are merged into. `shard`: the last one of the round."""
    return f"{run_path(run)}/merged/{trained_shard_name(shard)}"


_CHECKPOINT_PREFIX = "step-"


def checkpoint_name(step: int) -> str:
    """Return the folder of the checkpoint after `step` optimizer steps."""
    return f"{_CHECKPOINT_PREFIX}{step:06d}"


def checkpoint_step(path: str) -> int:
    """Return the step of a checkpoint's path, -1 if it is not one. From 1,000,000 on, the names do not sort by step."""
    step = path.rpartition("/")[2].removeprefix(_CHECKPOINT_PREFIX)
    return int(step) if step.isdecimal() else -1


def neighbours_path(run: str, shard: int) -> str:
    """Return the path of the retrieved neighbours that a shard is trained with."""
    return f"{run_path(run)}/neighbours/{trained_shard_name(shard)}"


def stage_name(shard: int | None, retrieval: bool) -> str:
    """Return the name of an evaluation stage: the base model (None) or a trained shard, with or without retrieval."""
    return ("base" if shard is None else trained_shard_name(shard)) + ("-retrieval" if retrieval else "")


def evaluations_path(run: str) -> str:
    """Return the path of all evaluations of a run."""
    return f"{run_path(run)}/evaluation"


def evaluation_path(run: str, stage: str) -> str:
    """Return the path of the evaluation of a stage."""
    return f"{evaluations_path(run)}/{stage}"


def report_path(run: str) -> str:
    """Return the path of a run's report."""
    return f"{run_path(run)}/report"


def export_path(batch: str) -> str:
    """Return the path of a batch of descriptions."""
    return f"{EXPORTS}{batch}"


def export_part_name(part: int) -> str:
    """Return the name of a part of a batch, counted from 0: its folder, and the stem of its files."""
    return f"{EXPORT_PART_PREFIX}{part:05d}"


def export_part_path(batch: str, part: int) -> str:
    """Return the path of a part of a batch."""
    return f"{export_path(batch)}/{export_part_name(part)}"


def threshold_path(batch: str, from_audit: float, matcher_digest: str) -> str:
    """Return the path of the threshold that a batch has with a share of right texts and a matcher."""
    return f"{export_path(batch)}/threshold-{from_audit!r}-{matcher_digest[:16]}.json"


def audit_path(batch: str) -> str:
    """Return the path of the labels that people gave to the texts of a batch."""
    return f"{export_path(batch)}/audit"
