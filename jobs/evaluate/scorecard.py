"""What a stage's answers are worth: one row an answer, and the means of each group with their 95 % intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

from jobs.evaluate.questions import GROUPS, HELD_OUT, Question
from jobs.quality import checks as scoring
from jobs.quality import metrics
from jobs.quality.metrics import Rouge
from jobs.retrieval.neighbours import Neighbour
from jobs.t5.generation import Answer

if TYPE_CHECKING:
    import pyarrow as pa

ROUGES = tuple(field.name for field in fields(Rouge))
TITLE_REPEATED, NEAREST_NEIGHBOUR = "title-repeated", "nearest-neighbour"


@dataclass(frozen=True)
class Marked:
    """A question with its answer and its marks. `loss` is in nats a token of the reference."""

    question: Question
    answer: str
    tokens: int
    neighbours: tuple[str, ...]
    rouge: Rouge
    loss: float
    repetition: float
    flags: tuple[str, ...]


def marked(
    questions: Sequence[Question],
    answers: Sequence[Answer],
    neighbours: Sequence[Sequence[Neighbour]],
    losses: Sequence[float],
) -> list[Marked]:
    """The marks of each answer. `neighbours`: what the model saw beside each title."""
    rouges = metrics.rouge([answer.text for answer in answers], [question.reference for question in questions])
    rows = zip(questions, answers, neighbours, losses, rouges, strict=True)
    found = []
    for question, answer, near, loss, rouge in rows:
        scores = scoring.score(answer.text, question.title.title, near, answer.ended)
        uids = tuple(item.uid for item in near)
        found.append(Marked(question, answer.text, answer.tokens, uids, rouge, loss, scores.repetition, scores.flags))
    return found


def schema() -> "pa.Schema":
    """The columns of answers.parquet; ROUGE and repetition are 0..1, loss is in nats a token."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    return pa.schema(
        [("group", text), ("uid", text), ("title", text), ("reference", text), ("answer", text)]
        + [("neighbours", pa.list_(text))]
        + [(name, number) for name in (*ROUGES, "loss", "repetition")]
        + [("flags", pa.list_(text)), ("tokens", pa.int64())]
    )


def table(marked: Sequence[Marked]) -> "pa.Table":
    """The answers, one row each, in the order of the questions."""
    import pyarrow as pa

    rows = [
        {
            "group": item.question.group, "uid": item.question.title.uid, "title": item.question.title.title,
            "reference": item.question.reference, "answer": item.answer, "neighbours": list(item.neighbours),
            **asdict(item.rouge), "loss": item.loss, "repetition": item.repetition, "flags": list(item.flags),
            "tokens": item.tokens,
        }
        for item in marked
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema())


def groups(marked: Sequence[Marked], seed: int) -> dict[str, dict[str, Any]]:
    """For each group that was asked: how many questions, and each mark's mean with its interval."""
    found = {}
    for group in GROUPS:
        some = [item for item in marked if item.question.group == group]
        if some:
            values: dict[str, list[float]] = {"loss": [item.loss for item in some]}
            values |= _rouge_values([item.rouge for item in some])
            values["repetition"] = [item.repetition for item in some]
            values["flagged"] = [float(bool(item.flags)) for item in some]
            found[group] = {"questions": len(some), **_intervals(values, seed)}
    return found


def baselines(
    questions: Sequence[Question], nearest: Sequence[str | None], seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """What no model is needed for: the title said again, and the text of the nearest neighbour where there is one.

    On the held-out questions; on all, where none is held out. `nearest`: that text for each question, or None.
    """
    held_out = [row for row, item in enumerate(questions) if item.group == HELD_OUT] or range(len(questions))
    answers = {
        TITLE_REPEATED: {row: questions[row].title.title for row in held_out},
        NEAREST_NEIGHBOUR: {row: text for row in held_out if (text := nearest[row]) is not None},
    }
    return {name: _baseline(questions, found, seed) for name, found in answers.items() if found}


def _baseline(questions: Sequence[Question], answers: Mapping[int, str], seed: int) -> dict[str, dict[str, float]]:
    scores = metrics.rouge(list(answers.values()), [questions[row].reference for row in answers])
    repetition = [metrics.repetition(text) for text in answers.values()]
    return _intervals({**_rouge_values(scores), "repetition": repetition}, seed)


def _rouge_values(scores: Sequence[Rouge]) -> dict[str, list[float]]:
    columns = zip(*(astuple(score) for score in scores), strict=True)
    return {name: list(column) for name, column in zip(ROUGES, columns, strict=True)}


def _intervals(values: Mapping[str, Sequence[float]], seed: int) -> dict[str, dict[str, float]]:
    return {name: asdict(metrics.bootstrap(list(column), seed)) for name, column in values.items()}
