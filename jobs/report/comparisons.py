"""Stages of a run, and comparisons between two of them on the questions that both answered.

Two stages that answered the same questions are compared by the difference per question, not by whether their intervals
overlap: this detects much smaller effects.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobs.quality.metrics import Interval, bootstrap, by_cluster
from jobs.report import sign_flip
from jobs.report.history import History, Stage
from jobs.report.settings import SEED
from jobs.storage.layout import QuestionGroup

MIN_QUESTIONS = 20
"""Fewer questions that are no near duplicates of each other give no verdict. Without a true difference, the bootstrap's 95 % interval
should exclude zero in 5 % of all comparisons. In simulations with normally distributed differences it does so in 50 % with 2
questions, 16 % with 5, 10 % with 10, 7 % with 20 to 40, and 6 % with 100."""

MAX_P_VALUE = 0.05
"""The sign-flip test must give less for a verdict. Without a true difference, interval and test together give a verdict in these
shares of 1,000 simulated comparisons (the interval alone in brackets):

    differences                             20 questions      40 questions
    normally distributed                      4 %  (7 %)        5 %  (7 %)
    normally distributed, 80 % are zero       1 %  (7 %)        3 %  (9 %)
    +1 or -1, 80 % are zero                   0 %  (6 %)        2 %  (5 %)
    exponential, mean zero                    7 %  (9 %)        8 %  (9 %)
    lognormal, mean zero                     14 % (15 %)        9 % (10 %)
    20 % exponential, mean zero              20 % (21 %)       12 % (13 %)

The last three are skewed: most questions change a little in one direction, and a few much more in the other."""


@dataclass(frozen=True)
class Comparison:
    """The mean of `after` minus `before`, with its 95 % interval.

    `questions`: those that both answered. `clusters`: how many of them are no near duplicates of each other. `better` is None if the
    interval includes zero, if the sign-flip test gives `MAX_P_VALUE` or more, or if there are too few clusters to tell.
    """

    before: Stage
    after: Stage
    group: QuestionGroup
    metric: str
    questions: int
    clusters: int
    difference: Interval
    better: bool | None

    @property
    def too_few(self) -> bool:
        """Whether there are fewer than `MIN_QUESTIONS` questions that are no near duplicates of each other."""
        return self.clusters < MIN_QUESTIONS


def compare(before: Stage, after: Stage, group: QuestionGroup, metric: str) -> Comparison | None:
    """Return the comparison of two stages, or None if they have fewer than two questions in common.

    Lower is better for loss and repetition, higher for ROUGE. The interval is a bootstrap over the clusters of near duplicates; the
    sign-flip test flips whole clusters. Both must agree, because the interval is too narrow where few questions differ.
    """
    old, new = _by_question(before, group, metric), _by_question(after, group, metric)
    common = [uid for uid in old if uid in new]
    if len(common) < 2:
        return None
    differences = [new[uid].value - old[uid].value for uid in common]
    clusters = [new[uid].cluster for uid in common]
    interval = bootstrap(differences, SEED, clusters)
    of_clusters, _ = by_cluster(differences, clusters)
    unclear = (
        len(of_clusters) < MIN_QUESTIONS
        or interval.low <= 0 <= interval.high
        or sign_flip.p_value(of_clusters.tolist(), SEED) >= MAX_P_VALUE
    )
    better = None if unclear else (interval.low > 0) == metric.startswith("rouge")
    return Comparison(before, after, group, metric, len(differences), len(of_clusters), interval, better)


def compare_first_shard(history: History) -> Comparison | None:
    """Return how the loss on the first shard's products changed since the model was trained on it: forgetting."""
    stages = trained_stages(history, retrieval=False)
    if len(stages) < 2 or stages[0].shard is None or stages[0].shard >= history.shards_at_once:
        return None
    return compare(stages[0], stages[-1], QuestionGroup.FIRST_SHARD, "loss")


def flagged_before(base: Stage | None, stage: Stage) -> Interval | None:
    """Return the share of flagged answers of the base model, None if other checks flagged them: the difference would be that of the checks."""
    return score(base, "flagged") if base is not None and base.checks_version == stage.checks_version else None


def base_stage(history: History, retrieval: bool) -> Stage | None:
    """Return the stage of the base model, or None if it is not evaluated."""
    stages = (stage for stage in history.stages if stage.shard is None and stage.retrieval == retrieval)
    return next(stages, None)


def last_stage(history: History, retrieval: bool) -> Stage | None:
    """Return the stage of the last trained shard that is evaluated, or None."""
    stages = trained_stages(history, retrieval)
    return stages[-1] if stages else None


def trained_with_neighbours(history: History) -> bool:
    """Return whether training prompts had retrieved neighbours. Those of `describe` then have them too, unless --neighbours is 0."""
    return bool(history.config.get("retrieval_share"))


def final_stage(history: History) -> Stage | None:
    """Return the last trained stage, with retrieval if the model was trained with neighbours: the one that `describe` uses."""
    plain, retrieved = last_stage(history, retrieval=False), last_stage(history, retrieval=True)
    return (retrieved or plain) if trained_with_neighbours(history) else (plain or retrieved)


def trained_stages(history: History, retrieval: bool) -> list[Stage]:
    """Return the stages of trained shards, in the order of training."""
    return [stage for stage in history.stages if stage.shard is not None and stage.retrieval == retrieval]


def stages_side_by_side(history: History) -> list[Stage]:
    """Return the stages whose answers are shown together.

    These are the base model without and with retrieval, the first, middle and last trained shard, and the last with retrieval.
    """
    trained = trained_stages(history, retrieval=False)
    positions = sorted({0, len(trained) // 2, len(trained) - 1}) if trained else []
    stages = [
        base_stage(history, retrieval=False),
        base_stage(history, retrieval=True),
        *(trained[position] for position in positions),
        last_stage(history, retrieval=True),
    ]
    return [stage for stage in stages if stage is not None]


def score(stage: Stage | None, metric: str, group: QuestionGroup = QuestionGroup.HELD_OUT) -> Interval | None:
    """Return a stage's score in a group of questions, or None if there is none."""
    scored = stage.groups.get(group) if stage else None
    return scored.scores.get(metric) if scored else None


def baselines(history: History) -> dict[str, Mapping[str, Interval]]:
    """Return the scores of each baseline. Only stages with retrieval record the nearest neighbour."""
    return {name: scores for stage in history.stages for name, scores in stage.baselines.items()}


def held_out_answers(stage: Stage) -> dict[str, dict[str, object]]:
    """Return the rows of a stage's answers to the held-out questions, by uid."""
    return {row["uid"]: row for row in stage.answers.to_pylist() if row["group"] == QuestionGroup.HELD_OUT}


def flags_of(answer: Mapping[str, object]) -> list[str]:
    """Return the reasons for which an answer is flagged."""
    flags = answer["flags"]
    return [str(flag) for flag in flags] if isinstance(flags, list) else []


class _Value(NamedTuple):
    """The score of an answer, and the cluster of its product."""

    value: float
    cluster: int


def _by_question(stage: Stage, group: QuestionGroup, metric: str) -> dict[str, _Value]:
    columns: list[list[Any]] = [stage.answers[name].to_pylist() for name in ("group", "uid", metric)]
    has_clusters = "cluster" in stage.answers.column_names  # those of an earlier version count as different products
    clusters = stage.answers["cluster"].to_pylist() if has_clusters else range(stage.answers.num_rows)
    return {
        str(uid): _Value(float(value), int(cluster))
        for question_group, uid, value, cluster in zip(*columns, clusters, strict=True)
        if question_group == group and isinstance(value, float) and not math.isnan(value)
    }
