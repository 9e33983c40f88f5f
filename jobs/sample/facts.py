"""Whether a text about a product of the sample states the facts of its title: what is right, wrong or missing.

A fact is wrong if the text states another value that a product of the sample can have, also beside the right one. Remarks and
uses belong to one kind of product, so those of another kind are a wrong kind. A seller makes remarks about some of the products
of a kind, and promises (a guarantee, care, packaging, an offer) about some of all products: a title does not say about which.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jobs.quality.metrics import sentences
from jobs.sample.products import CARE, CATEGORIES, COLOURS, MAKERS, OFFERS

KIND, MAKER, MATERIAL, SIZE, COLOUR = "kind", "maker", "material", "size", "colour"

_FORMER_MATERIALS = ("Titanium-Coated", "Braided", "Wooden", "Cork-Backed")
"""Of samples that an earlier version made, which `make run` keeps."""

_VALUES = {
    KIND: tuple(category.name for category in CATEGORIES),
    MAKER: MAKERS,
    MATERIAL: (*(material for category in CATEGORIES for material in category.materials), *_FORMER_MATERIALS),
    SIZE: tuple(size for category in CATEGORIES for size in category.sizes),
    COLOUR: COLOURS,
}
FACTS = tuple(_VALUES)

_PHRASES_OF_KIND = {category.name: (category.use, *category.remarks) for category in CATEGORIES}
_SIZE_STATED = re.compile(r"Size: ([^.,;]+)")


@dataclass(frozen=True)
class FactCheck:
    """The names of the facts that a text states correctly or not at all, and for each wrong fact what the text states.

    `guesses`: the remarks and promises of the text, which may or may not hold for the product.
    """

    right: tuple[str, ...]
    wrong: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]
    guesses: tuple[str, ...]

    @property
    def all_right(self) -> bool:
        """Whether every fact of the title is right in the text."""
        return len(self.right) == len(FACTS)


def facts_of(title: str) -> dict[str, str]:
    """Return the value of each fact in a title of the sample. Errors: `ValueError` if it is not one."""
    found = {fact: _values_in(title, fact) for fact in FACTS}
    unclear = [f"{len(values)} values for {fact}" for fact, values in found.items() if len(values) != 1]
    if unclear:
        raise ValueError(
            f"expected a title of the sample with one value for each fact, found {', '.join(unclear)}: {title!r}"
        )
    return {fact: values[0] for fact, values in found.items()}


def check_facts(title: str, text: str) -> FactCheck:
    """Return which facts of the title are right, wrong and missing in the text. Errors: as `facts_of()`."""
    own = facts_of(title)
    stated = {fact: _values_in(text, fact) for fact in FACTS}
    for kind, phrases in _PHRASES_OF_KIND.items():
        stated[KIND] += _stated(text, phrases) if kind != own[KIND] else []
    stated[SIZE] += _unknown_sizes(text, own[SIZE])
    wrong = {fact: tuple(value for value in stated[fact] if value != own[fact]) for fact in FACTS}
    return FactCheck(
        right=tuple(fact for fact in FACTS if stated[fact] == [own[fact]]),
        wrong={fact: values for fact, values in wrong.items() if values},
        missing=tuple(fact for fact in FACTS if not stated[fact]),
        guesses=(*_stated(text, (*_PHRASES_OF_KIND[own[KIND]][1:], *CARE)), *_offers(text)),
    )


def _values_in(text: str, fact: str) -> list[str]:
    """Return the values of a fact that occur in the text as whole words, each once; `Carbon Steel` is not also `Steel`."""
    found = []
    case = (
        re.NOFLAG if fact == SIZE else re.IGNORECASE
    )  # "small" is a size only as "Small": there are small batches too
    for value in sorted(_VALUES[fact], key=len, reverse=True):
        text, count = re.subn(rf"(?<![\w-]){re.escape(value)}(?![\w-])", "|", text, flags=case)
        if count:
            found.append(value)
    return found


def _stated(text: str, phrases: Iterable[str]) -> list[str]:
    known = _plain(text)
    return [phrase for phrase in phrases if _plain(phrase) in known]


def _offers(text: str) -> list[str]:
    """Return the offers of a text. They are so short that only a whole sentence is one."""
    stated = {_plain(sentence) for sentence in sentences(text)}
    return [offer for offer in OFFERS if _plain(offer) in stated]


def _unknown_sizes(text: str, own: str) -> list[str]:
    """Return what the text states as its size, except sizes that products of the sample have."""
    return [size for size in _unique(_SIZE_STATED.findall(text)) if own not in size and not _values_in(size, SIZE)]


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(value.strip() for value in values))


def _plain(text: str) -> str:
    """Return the letters and digits of a text, because cleaning and tokenizers change its other characters."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
