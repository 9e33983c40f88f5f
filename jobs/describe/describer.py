"""A model that describes titles: generation, checks, and a second attempt if a check fails. Importing this module loads torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.describe.exports import Description
from jobs.process import log
from jobs.quality import part_checks
from jobs.quality.checks import CONTRADICTS, Checker, Scores
from jobs.retrieval.neighbours import Neighbour, prompt_texts
from jobs.storage import runs
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Title
from jobs.t5 import models
from jobs.t5.conversion import convert
from jobs.t5.generation import Answer, Writer
from jobs.t5.inference import InferenceDevice
from jobs.t5.prompt import prompt
from jobs.t5.settings import Decoding

MAX_UNKNOWN_SHARE = 0.3
"""Largest fraction of a title's letters and digits that may be unknown to the tokenizer."""


@dataclass(frozen=True)
class Attempt:
    """A generated text with its scores. `retries` counts the attempts of its title after the first."""

    answer: Answer
    scores: Scores
    retries: int = 0


@dataclass(frozen=True, kw_only=True)
class GenerationOptions:
    """How texts are generated.

    `decoding` is that of the first text. If it has a flag, `candidates` others are generated, and the best of all is chosen: the one
    with the fewest flags, then with the highest probability. The `prompt_neighbours` nearest neighbours are in the prompt, which
    has at most `prompt_max_tokens`.
    """

    decoding: Decoding
    candidates: int
    prompt_neighbours: int
    prompt_max_tokens: int


def load_describer(
    model: Artifact, checker: Checker, device: InferenceDevice, options: GenerationOptions, work: Path
) -> "Describer":
    """Return a describer with the model of a trained shard, converted for the device."""
    folder = runs.fetch_model(model, work)
    tokenizer = models.load_tokenizer(folder)
    convert(models.load(folder), tokenizer, work / "converted", device.precision)
    writer = Writer(work / "converted", tokenizer, device)
    log.info("model loaded", model=model.path, device=device.name, precision=device.precision)
    return Describer(writer, model.digest, checker, options)


class Describer:
    """Describes titles with one model. A text is checked against the nearest neighbours of its title, also those that are not in its prompt."""

    def __init__(self, writer: Writer, model_digest: str, checker: Checker, options: GenerationOptions) -> None:
        self._writer, self._model_digest, self._checker, self._options = writer, model_digest, checker, options

    def describe(
        self,
        titles: Sequence[Title],
        neighbours: Sequence[Sequence[Neighbour]],
        on_finished: Callable[[int], None] = lambda _count: None,
    ) -> list[Description]:
        """Return a description of each title, in order.

        `neighbours`: the retrieved neighbours of each title, nearest first. A title that has an error, or that
        exceeds the maximum prompt length, becomes a row with its error. `on_finished` receives the number of titles that have
        their first text.
        """
        errors = self._errors(titles)
        valid = [row for row, error in enumerate(errors) if error is None]
        on_finished(len(titles) - len(valid))
        attempts = self._attempts([titles[row] for row in valid], [neighbours[row] for row in valid], on_finished)
        by_row = dict(zip(valid, _compared([titles[row] for row in valid], attempts), strict=True))
        return [
            self._description(title, neighbours[row], by_row[row])
            if error is None
            else Description(uid=title.uid, title=title.title, model_digest=self._model_digest, error=error)
            for row, (title, error) in enumerate(zip(titles, errors, strict=True))
        ]

    def _errors(self, titles: Sequence[Title]) -> list[str | None]:
        """Return why each title cannot be described, or None. The whole title must fit in its prompt."""
        limit = self._options.prompt_max_tokens
        sources = self._writer.encode([prompt(title.title) for title in titles], limit + 1)
        # The exports have this text: a change changes the digest of every batch with such a row.
        too_long = f"the title and its question are longer than {limit} tokens (--prompt-max-tokens)"
        return [
            title.error or (too_long if len(source) > limit else _unknown(title.title, self._writer))
            for title, source in zip(titles, sources, strict=True)
        ]

    def _attempts(
        self, titles: Sequence[Title], neighbours: Sequence[Sequence[Neighbour]], on_finished: Callable[[int], None]
    ) -> list[Attempt]:
        """Return the best text of each title. Only titles whose first text has a flag get candidates, and none does if the first texts
        show that nothing will be published.

        Texts are checked while others are generated, so that neither the GPU nor a core waits for the checks.
        The prompt of the candidates omits the neighbours if the first text contradicted its title, because they may be the
        cause.
        """
        prompts = [
            prompt(title.title, prompt_texts(retrieved[: self._options.prompt_neighbours]))
            for title, retrieved in zip(titles, neighbours, strict=True)
        ]
        checked: dict[int, Attempt] = {}

        def check(row: int, answers: list[Answer]) -> None:
            checked[row] = self._attempt(answers[0], titles[row], neighbours[row])
            on_finished(1)

        self._writer.write(self._encode(prompts), self._options.decoding, check)
        attempts = [checked[row] for row in range(len(titles))]
        flagged = [row for row, attempt in enumerate(attempts) if attempt.scores.flags]
        if not part_checks.candidates_may_help([attempt.scores for attempt in attempts], self._options.candidates):
            log.warning("no candidates: too few first texts pass the checks", flagged=len(flagged), texts=len(attempts))
            return attempts
        retry_prompts = [
            prompt(titles[row].title) if CONTRADICTS in attempts[row].scores.flags else prompts[row] for row in flagged
        ]

        def choose(position: int, candidates: list[Answer]) -> None:
            row = flagged[position]
            others = [self._attempt(answer, titles[row], neighbours[row]) for answer in candidates]
            attempts[row] = replace(min([attempts[row], *others], key=_rank), retries=len(others))

        self._writer.write_candidates(
            self._encode(retry_prompts), self._options.decoding.stricter(), self._options.candidates, choose
        )
        return attempts

    def _encode(self, prompts: Sequence[str]) -> list[list[str]]:
        return self._writer.encode(prompts, self._options.prompt_max_tokens)

    def _attempt(self, answer: Answer, title: Title, neighbours: Sequence[Neighbour]) -> Attempt:
        return Attempt(answer, self._checker.score(title.title, answer.text, neighbours, answer.ended))

    def _description(self, title: Title, neighbours: Sequence[Neighbour], attempt: Attempt) -> Description:
        return Description(
            uid=title.uid,
            title=title.title,
            description=attempt.answer.text,
            flags=attempt.scores.flags,
            published=not attempt.scores.flags,
            neighbours=tuple(neighbour.uid for neighbour in neighbours),
            neighbour_similarities=tuple(round(neighbour.similarity, 6) for neighbour in neighbours),
            repetition=attempt.scores.repetition,
            grounding=attempt.scores.grounding,
            copying=attempt.scores.copying,
            length_words=attempt.scores.length_words,
            ended=attempt.answer.ended,
            model_digest=self._model_digest,
            retries=attempt.retries,
            probability=attempt.scores.probability,
            evidence=attempt.scores.evidence,
        )


def _rank(attempt: Attempt) -> tuple[int, float]:
    """Return the sort key of an attempt: the best attempt has the smallest key."""
    return len(attempt.scores.flags), -(attempt.scores.probability or 0.0)


def _compared(titles: Sequence[Title], attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts with the flags that need a comparison with the other texts."""
    texts = [attempt.answer.text for attempt in attempts]
    clusters = [title.title.casefold() if title.cluster is None else title.cluster for title in titles]
    scores = part_checks.compared([attempt.scores for attempt in attempts], texts, clusters)
    return [replace(attempt, scores=score) for attempt, score in zip(attempts, scores, strict=True)]


def _unknown(title: str, writer: Writer) -> str | None:
    """Return the error of a title of which the tokenizer knows too little, or None."""
    share = writer.unknown_share(title)
    if share <= MAX_UNKNOWN_SHARE:
        return None
    return f"the model's tokenizer knows too little of the title: {share:.0%} of its letters are in unknown tokens"
