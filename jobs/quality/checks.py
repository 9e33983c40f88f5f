"""Checks of a description. A description with a reason from this table is not published.

| reason      | given if |
|-------------|----------|
| empty       | the text has no words |
| off-title   | its probability to be about its title, and true of it, is below the threshold of the matcher |
| contradicts | it has another number for a quantity in the title, another maker, kind or gender, a word that excludes one of the title, or that a near product's title has, in its place, or beside it where few sellers have both, or negates or misspells a word of the title, or has without a negation what the title negates, or makes the product an accessory of another |
| invented    | a number or code is neither in the title nor in the texts of enough of the nearest products, a number in words in none, or an address is not in the title, or more of these texts have another value of an attribute that the title lacks |
| unsupported | few words of one of its sentences, or no word, code or measure of a short one or of a clause, are in the title or the texts of the nearest products; or neither the title nor enough of these texts have a word before one of the title, or of what it is made of or by whom, such as `leather`; or its rest beside the whole title does not fit |
| wording     | two words are side by side that none of the texts that the matcher learnt from has so, though both are common in them |
| generic     | more than 3 products of the part, of different clusters, have a text with the same words |
| unreliable  | it passes all other checks, as fewer than 20 % of the part's texts do |
| prompt      | it has the words that a prompt puts before the title or before a neighbour |
| unknown     | it has a sign that the tokenizer of the model lacks, so that the text does not show it |
| repetition  | more than 10 % of its word 3-grams repeat an earlier one, a sentence of 3 or more words occurs twice, or a word three times in a row |
| copied      | all of its words are in runs of 8 or more words from one neighbour, or it has no word that the title lacks |
| short       | it has fewer than 5 words |
| long        | it has more than 400 words |
| unfinished  | it reached the maximum length in the middle of a sentence, or its last word ends no sentence of the catalogue |

`generic` and `unreliable` follow from all texts of a part (`jobs.quality.part_checks`), the others from the text.

Each reason has its evidence: the words, the numbers or the count that it was given for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.quality.contradiction import exchanged_words, facts_of_another, other_gender, other_numbers
from jobs.quality.copying import copying
from jobs.quality.grounding import (
    grounded_share,
    ungrounded,
    unknown_addresses,
    unknown_groups,
    unknown_number_words,
)
from jobs.quality.kinds import as_accessory
from jobs.quality.matcher import PROBABILITY_DIGITS, Match, Matcher, is_off_title
from jobs.quality.metrics import repetition, sentences, words
from jobs.quality.negation import missing_negations, negated_words
from jobs.quality.settings import DEFAULT_NUMBER_SUPPORT, EVIDENCE_NEIGHBOURS
from jobs.quality.terms import absent_terms, has_digit, terms
from jobs.retrieval.neighbours import Neighbour
from jobs.text.instruction import INSTRUCTION, NEIGHBOUR_SEPARATOR
from jobs.text.unknown import UNKNOWN

CHECKS_VERSION = 5
"""Raised when a check is added or changed: shares of flagged texts are compared only between results of the same checks."""

MAX_REPETITION = 0.10
MIN_SENTENCE_WORDS = 3
"""Shorter sentences, such as "Buy now!", may occur twice."""
MIN_WORDS, MAX_WORDS = 5, 400
MIN_TITLE_SHARE = 0.5
"""Without a calibrated matcher, the share of the title's words that a text must have."""

OFF_TITLE, CONTRADICTS, INVENTED = "off-title", "contradicts", "invented"
UNSUPPORTED, WORDING, UNFINISHED = "unsupported", "wording", "unfinished"
GENERIC, UNRELIABLE = "generic", "unreliable"
REASONS = (
    "empty", OFF_TITLE, CONTRADICTS, INVENTED, UNSUPPORTED, WORDING, GENERIC, "prompt", "unknown", "repetition", "copied", "short",
    "long", UNFINISHED, UNRELIABLE,
)  # fmt: skip

_PROMPT_WORDS = tuple(phrase.strip().casefold() for phrase in (INSTRUCTION, NEIGHBOUR_SEPARATOR))
_SENTENCE_CLOSED = re.compile(r"[.!?][\"')\]]*$")


@dataclass(frozen=True)
class Scores:
    """The scores of a description, and the reasons not to publish it, in the order of `REASONS`.

    `repetition`: fraction of repeated word 3-grams. `grounding`: fraction of its numbers and codes that the title or
    enough neighbours have, 1 if it has none. `copying`: fraction of copied words. Each is 0..1. `probability`: calibrated, that the text
    is about its title and true of it; None without a calibrated matcher. `evidence`: of each reason.
    """

    repetition: float
    grounding: float
    copying: float
    length_words: int
    flags: tuple[str, ...]
    probability: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checker:
    """Checks descriptions with a matcher, or without one.

    `publish_from`: the probability from which a text fits its title. `number_support`: how many neighbours must have a number, a code
    or a word such as a material that the title lacks.
    """

    matcher: Matcher | None = None
    publish_from: float = 0.0
    number_support: int = DEFAULT_NUMBER_SUPPORT

    def score(self, title: str, text: str, neighbours: Sequence[Neighbour], ended: bool) -> Scores:
        """Return the scores of a description of `title`, checked against the title and its nearest `EVIDENCE_NEIGHBOURS` neighbours.

        `ended`: whether the model ended the text before the maximum length.
        """
        length, neighbours = len(words(text)), neighbours[:EVIDENCE_NEIGHBOURS]
        neighbour_texts = [f"{neighbour.title}. {neighbour.content}" for neighbour in neighbours]
        neighbour_titles = [neighbour.title for neighbour in neighbours]
        match = (
            self.matcher.match(title, text, neighbour_titles, neighbour_texts, self.number_support)
            if self.matcher and self.matcher.is_calibrated
            else None
        )
        probability = None if match is None else round(match.probability, PROBABILITY_DIGITS)
        repeated, copied = repetition(text), copying(title, text, neighbour_texts)
        numbers = ungrounded(text, [title], neighbour_texts, self.number_support)
        found: dict[str, Any] = {
            "empty": {"words": 0} if length == 0 else None,
            OFF_TITLE: self._off_title(title, text, match) if length else None,
            CONTRADICTS: _first(contradicted_facts(title, text, neighbour_titles, match)),
            INVENTED: invented(title, text, neighbour_texts, numbers, match),
            UNSUPPORTED: _unsupported(match),
            WORDING: {"words": match.unseen.words} if match and match.unseen else None,
            "prompt": _prompt_words(text),
            "unknown": _words_with_unknown(text),
            "repetition": _repetition(text, repeated),
            "copied": {"share": copied} if copied == 1 else None,
            "short": {"words": length} if 0 < length < MIN_WORDS else None,
            "long": {"words": length} if length > MAX_WORDS else None,
            UNFINISHED: {"end": text[-20:]} if _is_unfinished(text, length, ended, match) else None,
        }
        evidence = {reason: found[reason] for reason in REASONS if found.get(reason) is not None}
        return Scores(
            round(repeated, 6), round(grounded_share(text, numbers), 6), round(copied, 6), length, tuple(evidence),
            probability, evidence,
        )  # fmt: skip

    def _off_title(self, title: str, text: str, match: Match | None) -> dict[str, Any] | None:
        if match is not None:
            return _against(match) if is_off_title(match.probability, self.publish_from) else None
        in_title = terms(title)
        missing, distinct = absent_terms(in_title, terms(text)), len(set(in_title))
        share = (distinct - len(missing)) / max(1, distinct)
        return {"share_of_title": round(share, 4), "missing": missing} if share < MIN_TITLE_SHARE else None


def contradicted_facts(
    title: str, text: str, neighbour_titles: Sequence[str], match: Match | None
) -> list[tuple[str, str]]:
    """Return what the title has, and what the text has in its place. Without a match, the neighbours' titles show it."""
    found = other_numbers(title, text) + other_gender(title, text)
    found += negated_words(title, text) + missing_negations(title, text)
    found += exchanged_words(title, text, neighbour_titles)
    accessory = as_accessory(title, text)
    found += [accessory] if accessory else []
    if match is None:
        return found + facts_of_another(title, text, neighbour_titles)
    found += [(item.phrase, item.other) for item in match.contradictions]
    return found + [pair for pair in (match.other_maker, match.other_kind, match.misspelt) if pair]


def invented(
    title: str, text: str, neighbour_texts: Sequence[str], numbers: Sequence[str], match: Match | None
) -> dict[str, Any] | None:
    """Return the evidence that a text states what neither its title nor enough neighbours do. `numbers`: those that `ungrounded()` returns."""
    sources = [title, *neighbour_texts]
    found = [
        *numbers,
        *unknown_number_words(text, sources),
        *unknown_groups(text, sources),
        *unknown_addresses(title, text),
    ]
    evidence: dict[str, Any] = {"numbers": list(dict.fromkeys(found))} if found else {}
    if match is not None and match.unlike_neighbours is not None:
        evidence["attribute"], evidence["neighbours"] = match.unlike_neighbours
    return evidence or None


def evidence_text(evidence: Any) -> str:
    """Return the evidence of a reason as a person reads it: `missing red, wool; fits better Blue Sock`."""
    if isinstance(evidence, Mapping):
        return "; ".join(f"{name.replace('_', ' ')} {evidence_text(value)}" for name, value in evidence.items())
    if isinstance(evidence, list):
        return ", ".join(map(evidence_text, evidence))
    return "" if evidence is None else str(evidence)


def _against(match: Match) -> dict[str, Any]:
    """Return the evidence that a text is off its title."""
    evidence: dict[str, Any] = {"probability": round(match.probability, 4)}
    if match.missing:
        evidence["missing"] = list(match.missing)
    if match.unexpected:
        evidence["unexpected"] = list(match.unexpected)
    if match.other_title is not None:
        evidence["fits_better"] = match.other_title
    return evidence


def _unsupported(match: Match | None) -> dict[str, Any] | None:
    """Return the evidence that a text states what no source supports."""
    evidence: dict[str, Any] = {}
    if match is not None and match.unsupported is not None:
        evidence["sentence"] = match.unsupported.part
    if match is not None and match.unsupported_words:
        evidence["words"] = list(match.unsupported_words)
    if match is not None and match.unfit_rest is not None:
        evidence["probability_without_title"] = round(match.unfit_rest, 4)
    return evidence or None


def _first(found: Sequence[tuple[str, str]]) -> dict[str, Any] | None:
    return {"title": found[0][0], "text": found[0][1]} if found else None


def _prompt_words(text: str) -> dict[str, Any] | None:
    found = [phrase for phrase in _PROMPT_WORDS if phrase in text.casefold()]
    return {"words": found} if found else None


def _words_with_unknown(text: str) -> dict[str, Any] | None:
    found = [word for word in text.split() if UNKNOWN in word]
    return {"words": found} if found else None


def _repetition(text: str, share: float) -> dict[str, Any] | None:
    sentence, word = _sentence_that_occurs_twice(text), _word_three_times_in_a_row(text)
    if sentence is not None:
        return {"sentence": sentence}
    if word is not None:
        return {"word": word}
    return {"share": round(share, 4)} if share > MAX_REPETITION else None


def _word_three_times_in_a_row(text: str) -> str | None:
    tokens = words(text)
    rows = zip(tokens, tokens[1:], tokens[2:], strict=False)
    return next((word for word, second, third in rows if word == second == third and not has_digit(word)), None)


def _sentence_that_occurs_twice(text: str) -> str | None:
    known: set[tuple[str, ...]] = set()
    for sentence in sentences(text):
        tokenized = tuple(words(sentence))
        if tokenized in known:
            return sentence
        if len(tokenized) >= MIN_SENTENCE_WORDS:
            known.add(tokenized)
    return None


def _is_unfinished(text: str, length: int, ended: bool, match: Match | None) -> bool:
    if match is not None and match.ends_within_a_sentence:
        return True
    return length > 0 and not ended and not _SENTENCE_CLOSED.search(text.rstrip())
