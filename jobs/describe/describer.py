"""Titles to checked descriptions: prompts, answers, scores, and a second, stricter try for what fails."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.describe.exports import Description
from jobs.process import log
from jobs.quality import checks as scoring
from jobs.quality.checks import Scores
from jobs.retrieval.neighbourhood import Neighbourhood, prompt_with
from jobs.retrieval.neighbours import Neighbour
from jobs.storage import layout
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Title
from jobs.t5 import generation
from jobs.t5.generation import Answer, Device, Writer
from jobs.t5.prompt import prompt
from jobs.t5.settings import Decoding


class Describer:
    """A model, converted and ready to write, and the neighbourhood that it is shown; None shows it nothing."""

    def __init__(
        self,
        model: Artifact,
        neighbourhood: Neighbourhood | None,
        device: Device,
        decoding: Decoding,
        max_prompt_tokens: int,
        work: Path,
    ) -> None:
        from jobs.t5 import models

        self._neighbourhood, self._decoding, self._max_prompt_tokens = neighbourhood, decoding, max_prompt_tokens
        self._model_digest = model.digest
        folder = model.fetch_all(work, layout.MODEL_PREFIX)
        tokenizer = models.load_tokenizer(folder)
        generation.convert(models.load(folder), tokenizer, work / "converted", device.precision)
        self._writer = Writer(work / "converted", tokenizer, device)
        log.info("model ready", model=model.path, device=device.name, precision=device.precision)

    def neighbours(self, titles: Sequence[Title]) -> list[list[Neighbour]]:
        """The neighbours of each title, nearest first."""
        return self._neighbourhood.of(titles) if self._neighbourhood else [[] for _ in titles]

    def describe(
        self,
        titles: Sequence[Title],
        on_answers: Callable[[int], None] = lambda _count: None,
        neighbours: Sequence[Sequence[Neighbour]] | None = None,
    ) -> list[Description]:
        """A description of each title, in their order; `neighbours` where they are known already.

        A title that has an error, or is too long for the prompt, becomes a row with its error. `on_answers` counts titles.
        """
        near = self.neighbours(titles) if neighbours is None else neighbours
        errors = self._errors(titles)
        asked = [row for row, error in enumerate(errors) if error is None]
        on_answers(len(titles) - len(asked))
        written = self._write([titles[row] for row in asked], [near[row] for row in asked], on_answers)
        rows = [_failed(title, self._model_digest, error or "") for title, error in zip(titles, errors, strict=True)]
        for row, found in zip(asked, written, strict=True):
            rows[row] = found
        return rows

    def _write(
        self, titles: Sequence[Title], near: Sequence[Sequence[Neighbour]], on_answers: Callable[[int], None]
    ) -> list[Description]:
        """What is written of each; what fails a check is written again more strictly, and the better of the two stays.

        What contradicts its title is written without sight of the neighbours then, for they may have led it astray.
        """
        prompts = [prompt_with(title.title, found) for title, found in zip(titles, near, strict=True)]
        sources = self._writer.encode(prompts, self._max_prompt_tokens)
        tries = [
            _Try(answer, scoring.score(answer.text, title.title, found, answer.ended))
            for answer, title, found in zip(
                self._writer.write(sources, self._decoding, on_answers), titles, near, strict=True
            )
        ]
        again = [row for row, item in enumerate(tries) if item.scores.flags]
        asked = [
            prompt(titles[row].title) if scoring.CONTRADICTS in tries[row].scores.flags else prompts[row]
            for row in again
        ]
        answers = self._writer.write(self._writer.encode(asked, self._max_prompt_tokens), self._decoding.stricter())
        for row, answer in zip(again, answers, strict=True):
            scores = scoring.score(answer.text, titles[row].title, near[row], answer.ended)
            stricter = _Try(answer, scores, retries=1)
            tries[row] = min(stricter, replace(tries[row], retries=1), key=lambda item: len(item.scores.flags))
        return [self._description(*row) for row in zip(titles, near, tries, strict=True)]

    def _errors(self, titles: Sequence[Title]) -> list[str | None]:
        """Why each title cannot be described; a title must stand in its prompt whole."""
        limit = self._max_prompt_tokens
        sources = self._writer.encode([prompt(title.title) for title in titles], limit + 1)
        too_long = f"the title and its question are longer than {limit} tokens (--prompt-max-tokens)"
        return [
            title.error or (too_long if len(source) > limit else None)
            for title, source in zip(titles, sources, strict=True)
        ]

    def _description(self, title: Title, near: Sequence[Neighbour], found: "_Try") -> Description:
        return Description(
            uid=title.uid,
            title=title.title,
            description=found.answer.text,
            flags=found.scores.flags,
            published=not found.scores.flags,
            neighbours=tuple(item.uid for item in near),
            neighbour_similarities=tuple(round(item.similarity, 6) for item in near),
            repetition=found.scores.repetition,
            grounding=found.scores.grounding,
            copying=found.scores.copying,
            length_words=found.scores.length_words,
            ended=found.answer.ended,
            model_digest=self._model_digest,
            retries=found.retries,
            error=None,
        )


@dataclass(frozen=True)
class _Try:
    answer: Answer
    scores: Scores
    retries: int = 0


def shown(found: Description, near: Sequence[Neighbour], model_name: str) -> str:
    """A description as a person reads it: the text, its checks, the neighbours that the model saw."""
    lines = [found.title, ""]
    lines += textwrap.wrap(found.description or "(no text)", 100, initial_indent="  ", subsequent_indent="  ")
    if found.error:
        return "\n".join([found.title, "", f"  error: {found.error}"])
    verdict = "published" if found.published else "held back: " + ", ".join(found.flags)
    figures = f"repetition {found.repetition:.2f}  grounding {found.grounding:.2f}  copying {found.copying:.2f}"
    lines += [
        "",
        f"  {verdict}",
        f"  {figures}  words {found.length_words}  retries {found.retries}  model {model_name}",
    ]
    if near:
        lines += ["", "  neighbours"]
        lines += [f"    {item.similarity:.3f}  {item.uid}  {textwrap.shorten(item.title, 80)}" for item in near]
    return "\n".join(lines)


def _failed(title: Title, model_digest: str, error: str) -> Description:
    """The row of a title for which nothing could be written."""
    return Description(
        title.uid, title.title, "", (), False, (), (), None, None, None, None, None, model_digest, 0, error
    )
