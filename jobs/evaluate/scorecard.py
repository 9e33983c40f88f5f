"""Scores of a stage's answers: one row per answer, and the mean of each score per group with its 95 % interval."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

import pyarrow as pa

from jobs.evaluate.questions import Question
from jobs.quality import metrics, part_checks, rouge
from jobs.quality.checks import Checker, Scores
from jobs.quality.intervals import wilson
from jobs.quality.rouge import Rouge
from jobs.retrieval.neighbours import Neighbour
from jobs.storage.layout import QuestionGroup
from jobs.t5.generation import Answer

TITLE_REPEATED, NEAREST_NEIGHBOUR = "title-repeated", "nearest-neighbour"


@dataclass(frozen=True)
class ScoredAnswer:
    """A question with its answer and the answer's scores.

    `loss`: of the reference, in nats per token. `probability`: that the answer is about its title, None without a calibrated matcher.
    """

    question: Question
    answer: str
    tokens: int
    neighbours: tuple[str, ...]
    rouge: Rouge
    loss: float
    repetition: float
    probability: float | None
    flags: tuple[str, ...]


def check_answers(
    questions: Sequence[Question],
    answers: Sequence[Answer],
    neighbours: Sequence[Sequence[Neighbour]],
    checker: Checker,
) -> list[Scores]:
    """Return the scores of the checks, as `describe` would decide: the texts of a group are compared as those of a part are.

    `neighbours`: the nearest products of each question, whether or not its prompt has them.
    """
    scores = [
        checker.score(question.title.title, answer.text, retrieved, answer.ended)
        for question, answer, retrieved in zip(questions, answers, neighbours, strict=True)
    ]
    for group in QuestionGroup:
        rows = [row for row, question in enumerate(questions) if question.group == group]
        texts, clusters = [answers[row].text for row in rows], [questions[row].title.cluster for row in rows]
        for row, score in zip(rows, part_checks.compared([scores[row] for row in rows], texts, clusters), strict=True):
            scores[row] = score
    return scores


def score_answers(
    questions: Sequence[Question],
    answers: Sequence[Answer],
    checked: Sequence[Scores],
    neighbours: Sequence[Sequence[Neighbour]],
    losses: Sequence[float],
) -> list[ScoredAnswer]:
    """Return the answers with all scores. `neighbours`: the retrieved neighbours in the prompt of each question."""
    rouges = rouge.rouge_scores([answer.text for answer in answers], [question.reference for question in questions])
    return [
        ScoredAnswer(
            question, answer.text, answer.tokens, tuple(neighbour.uid for neighbour in retrieved), overlap, loss,
            scores.repetition, scores.probability, scores.flags,
        )
        for question, answer, scores, retrieved, loss, overlap in zip(
            questions, answers, checked, neighbours, losses, rouges, strict=True
        )
    ]  # fmt: skip


def schema() -> pa.Schema:
    """Return the schema of answers.parquet. ROUGE, repetition and probability are 0..1, the loss is in nats per token."""
    text, number = pa.string(), pa.float64()
    return pa.schema(
        [
            ("group", text),
            ("uid", text),
            ("cluster", pa.int64()),
            ("title", text),
            ("reference", text),
            ("answer", text),
        ]
        + [("neighbours", pa.list_(text))]
        + [(name, number) for name in (*rouge.NAMES, "loss", "repetition", "probability")]
        + [("flags", pa.list_(text)), ("tokens", pa.int64())]
    )


def table(answers: Sequence[ScoredAnswer]) -> pa.Table:
    """Return one row per answer, in the order of the questions, with `schema()`."""
    rows = [
        {
            "group": item.question.group, "uid": item.question.title.uid, "cluster": item.question.title.cluster,
            "title": item.question.title.title,
            "reference": item.question.reference, "answer": item.answer, "neighbours": list(item.neighbours),
            **asdict(item.rouge), "loss": item.loss, "repetition": item.repetition,
            "probability": item.probability, "flags": list(item.flags), "tokens": item.tokens,
        }
        for item in answers
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema())


def group_scores(answers: Sequence[ScoredAnswer], seed: int) -> dict[str, dict[str, Any]]:
    """Return the number of questions and the mean of each score with its interval, for each group that has questions.

    Near duplicates are no independent questions: the intervals are over clusters. `flagged` is a share of the answers: its interval
    is Wilson's with the effective number of questions (Kish 1965), because a bootstrap of equal values has no width.
    """
    groups = {group: [item for item in answers if item.question.group == group] for group in QuestionGroup}
    return {group.value: _scores_of_group(members, seed) for group, members in groups.items() if members}


def _scores_of_group(answers: Sequence[ScoredAnswer], seed: int) -> dict[str, Any]:
    columns: dict[str, list[float]] = {"loss": [item.loss for item in answers]}
    columns |= _rouge_columns([item.rouge for item in answers])
    columns["repetition"] = [item.repetition for item in answers]
    clusters = _clusters([item.question for item in answers])
    flags = [bool(item.flags) for item in answers]
    _, sizes = metrics.by_cluster(flags, clusters)
    effective = len(answers) ** 2 / int((sizes**2).sum())
    flagged = wilson(effective * sum(flags) / len(flags), effective)
    return {"questions": len(answers), **_intervals(columns, clusters, seed), "flagged": asdict(flagged)}


def baseline_scores(
    questions: Sequence[Question], neighbours: Sequence[Sequence[Neighbour]], seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the scores of two baselines without a model: the title itself, and the nearest neighbour's text if there is one.

    They are scored on the held-out questions, or on all questions if there are no held-out ones.
    """
    rows: Sequence[int] = [row for row, item in enumerate(questions) if item.group == QuestionGroup.HELD_OUT]
    rows = rows or range(len(questions))
    texts = {
        TITLE_REPEATED: {row: questions[row].title.title for row in rows},
        NEAREST_NEIGHBOUR: {row: neighbours[row][0].content for row in rows if neighbours[row]},
    }
    return {name: _baseline(questions, answers, seed) for name, answers in texts.items() if answers}


def _baseline(questions: Sequence[Question], answers: Mapping[int, str], seed: int) -> dict[str, dict[str, float]]:
    scores = rouge.rouge_scores(list(answers.values()), [questions[row].reference for row in answers])
    repetition = [metrics.repetition(text) for text in answers.values()]
    clusters = _clusters([questions[row] for row in answers])
    return _intervals({**_rouge_columns(scores), "repetition": repetition}, clusters, seed)


def _clusters(questions: Sequence[Question]) -> list[int]:
    """Return the cluster of each question's product. One without a cluster is near no other."""
    return [
        -number if question.title.cluster is None else question.title.cluster
        for number, question in enumerate(questions, start=1)
    ]


def _rouge_columns(scores: Sequence[Rouge]) -> dict[str, list[float]]:
    columns = zip(*(astuple(score) for score in scores), strict=True)
    return {name: list(column) for name, column in zip(rouge.NAMES, columns, strict=True)}


def _intervals(
    columns: Mapping[str, Sequence[float]], clusters: Sequence[int], seed: int
) -> dict[str, dict[str, float]]:
    return {name: asdict(metrics.bootstrap(column, seed, clusters)) for name, column in columns.items()}
