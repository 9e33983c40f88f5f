"""The kinds of texts that a matcher is measured on: the seller's own text of a title, and wrong ones."""

from enum import StrEnum


class PairKind(StrEnum):
    """What the text of a pair is, as scores.json records it."""

    OWN = "own"  # the seller's text
    NEAREST = "nearest"  # the text of the nearest product of another cluster
    NEAR = "near"  # the same, where that product is not among the neighbours that the text is compared with
    RANDOM = "random"  # the text of a random product
    BEGINNING = "beginning"  # its first words: short and vague, as a model writes that has learnt little
    EXCHANGED = "exchanged"  # the seller's text with one fact of the title exchanged for an alternative
    REPLACED = "replaced"  # the seller's text with words of its title replaced by words of a random product's title
    BESIDE = "beside"  # the seller's text, and then an alternative of a fact that it states: another colour beside the right one
    GUESSED = "guessed"  # the seller's text with another value of an attribute that its title lacks: short sleeves, not long ones
    ADDED = "added"  # the seller's text and a sentence of a random product's text
    ECHOED = "echoed"  # the title, and then the text of a random product
    CUT = "cut"  # the seller's text without a few words in its middle: the facts may be right, the sentence is not
