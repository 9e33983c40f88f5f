"""The section that shows the answers of several stages to the same held-out questions."""

from collections.abc import Mapping

from jobs.report.comparisons import flags_of, held_out_answers, stages_side_by_side
from jobs.report.document import Answer, Block, Question, Section, Text
from jobs.report.history import History
from jobs.report.wording import counted, cut, number, reason_label, stage_label

TITLE_CHARACTERS, TEXT_CHARACTERS = 200, 700


def section(history: History, count: int) -> Section | None:
    """Return the section with the first `count` held-out questions that all stages answered, or None if there are none to show."""
    stages = stages_side_by_side(history)
    if not stages:
        return None
    answers = [held_out_answers(stage) for stage in stages]
    uids = [uid for uid in answers[0] if all(uid in stage_answers for stage_answers in answers)][:count]
    if not uids:
        return None
    blocks: list[Block] = [
        Text(
            f"The first {counted(len(uids), 'held-out question')}, without selection by hand. The number next to an answer is its ROUGE-L against "
            "the seller's text. The labels below an answer are the reasons why it is flagged."
        )
    ]
    for uid in uids:
        first = answers[0][uid]
        shown = [_answer(stage_label(stage), found[uid]) for stage, found in zip(stages, answers, strict=True)]
        blocks.append(
            Question(cut(str(first["title"]), TITLE_CHARACTERS), cut(str(first["reference"]), TEXT_CHARACTERS), shown)
        )
    return Section("questions", "Answers to the same questions", blocks)


def _answer(stage: str, row: Mapping[str, object]) -> Answer:
    return Answer(
        stage,
        cut(str(row["answer"]), TEXT_CHARACTERS),
        number(row["rougeL"], 2),
        [reason_label(flag) for flag in flags_of(row)],
    )
