"""Pairs of a title with its own text, and with texts that are known to be wrong."""

from dataclasses import replace

from jobs.match.pairs import (
    BEGINNING_WORDS,
    CUT_AFTER,
    CUT_BEFORE,
    CUT_WORDS,
    Pair,
    pairs,
    threshold_pairs,
)
from jobs.match.products import LearningProduct
from jobs.quality.alternatives import LONGEST, find_alternatives, with_phrase
from jobs.quality.pair_kind import PairKind
from jobs.quality.terms import phrases, terms
from tests.match.products import learning_products

SLEEVES = {"sleeves": {"long": 30, "short": 10}}
FURTHER_KINDS = (PairKind.BESIDE, PairKind.GUESSED, PairKind.ADDED, PairKind.ECHOED, PairKind.CUT)
TABLE = find_alternatives([("Wool sock red", "Wool sock blue"), ("Linen sock red", "Linen sock blue")])


def product(number: int, cluster: int, colour: str = "red", others: tuple[str, ...] = ()) -> LearningProduct:
    title = f"Wool sock {colour}"
    return LearningProduct(
        f"S{number}", title, f"A {colour} sock, number {number}.", cluster, (title,) * len(others), others
    )


def of_kind(kind: PairKind, found: list[Pair]) -> list[str]:
    return [pair.text for pair in found if pair.kind == kind]


def test_each_product_has_its_own_text_and_one_wrong_text_of_each_kind() -> None:
    chosen = [product(1, 1, others=("Another sock.",))]
    found = list(pairs(chosen, [product(2, 2, "green")], TABLE, seed=13))
    assert [pair.kind for pair in found] == [kind for kind in PairKind if kind not in FURTHER_KINDS]
    assert {pair.title for pair in found} == {"Wool sock red"}
    own, nearest, near, random, beginning, exchanged, replaced = [pair.text for pair in found]
    assert own == "A red sock, number 1."
    assert nearest == near == "Another sock."
    assert random == "A green sock, number 2."
    assert random.startswith(beginning)
    assert len(beginning.split()) >= BEGINNING_WORDS[0]
    assert exchanged == "A blue sock, number 1."
    assert replaced == "A green sock, number 1."


def further(
    products: list[LearningProduct], others: list[LearningProduct], kind: PairKind, seed: int = 13
) -> list[Pair]:
    return [pair for pair in threshold_pairs(products, others, TABLE, SLEEVES, seed) if pair.kind == kind]


def test_an_alternative_is_stated_beside_the_fact() -> None:
    found = further([product(1, 1)], [product(2, 2, "green")], PairKind.BESIDE)
    assert [pair.text for pair in found] == ["A red sock, number 1. Also blue."]
    assert not further([product(1, 1, "green")], [product(2, 2)], PairKind.BESIDE)


def test_an_attribute_that_the_title_lacks_is_exchanged() -> None:
    top = replace(product(1, 1), text="A red sock, long sleeves.")
    found = further([top], [product(2, 2)], PairKind.GUESSED)
    assert [pair.text for pair in found] == ["A red sock, short sleeves."]
    assert not further([replace(top, title="Long red sock")], [product(2, 2)], PairKind.GUESSED)
    assert not further([replace(top, text="A red sock, long, sleeves.")], [product(2, 2)], PairKind.GUESSED)


def test_a_title_is_echoed_before_the_text_of_another_product() -> None:
    found = further([product(1, 1)], [product(2, 2, "green")], PairKind.ECHOED)
    assert [pair.text for pair in found] == ["Wool sock red. A green sock, number 2."]
    assert not further([product(1, 1)], [product(2, 1, "green")], PairKind.ECHOED)


def test_a_sentence_of_another_product_is_added_if_it_is_long_enough() -> None:
    other = replace(product(2, 2), text="Too short. A pan for every kitchen and every hob. Red.")
    [found] = further([product(1, 1, others=("Another sock.",))], [other], PairKind.ADDED)
    assert found.text == "A red sock, number 1. A pan for every kitchen and every hob."
    assert found.sources == ["Wool sock red", "Wool sock red", "Another sock."]
    assert not further([product(1, 1)], [product(2, 2)], PairKind.ADDED)


def test_words_in_the_middle_of_a_text_are_cut_out() -> None:
    words = [f"w{number}" for number in range(12)]
    long, short = (replace(product(1, 1), text=" ".join(words[:count])) for count in (12, 7))
    lengths = set()
    for seed in range(40):
        [pair] = further([long], [long], PairKind.CUT, seed)
        left = pair.text.split()
        gap = next(place for place, (word, expected) in enumerate(zip(left, words, strict=False)) if word != expected)
        assert left == words[:gap] + words[gap + 12 - len(left) :]
        assert CUT_AFTER <= gap <= len(left) - CUT_BEFORE
        lengths.add(12 - len(left))
    assert (min(lengths), max(lengths)) == CUT_WORDS
    assert all(
        len(pair.text.split()) >= CUT_AFTER + CUT_BEFORE for pair in further([short] * 40, [short], PairKind.CUT)
    )


def test_a_text_in_which_nothing_can_be_replaced_is_no_wrong_text() -> None:
    sock = LearningProduct("S", "Wool Sock", "Of wool, sock-like: wool. Sock!", 1, (), ())
    bed = LearningProduct("B", "Cat Bed", "A cat bed.", 2, (), ())
    apart = replace(sock, text="Wool, sock.")  # the terms follow each other, the words do not
    assert of_kind(PairKind.REPLACED, list(pairs([apart] * 20, [bed], {}, seed=13))) == []


def test_words_of_the_title_are_replaced_by_words_that_another_text_has_from_its_title() -> None:
    pan = LearningProduct("P", "Alder Frying Pan, 10-inch", "The Alder frying pan. Size: 10-inch.", 1, (), ())
    bed = LearningProduct("B", "Birch Cat Bed, 50 cm", "The Birch cat bed for the kitchen. Size: 50 cm.", 2, (), ())
    found = set(of_kind(PairKind.REPLACED, list(pairs([pan] * 100, [bed], {}, seed=13))))
    phrases_of_pan, phrases_of_bed = ("Alder frying", "pan", "10-inch"), ("birch cat", "bed", "50 cm")
    assert found == {with_phrase(pan.text, own, other) for own in phrases_of_pan for other in phrases_of_bed}


def test_nothing_is_replaced_where_the_products_share_their_words_or_their_cluster() -> None:
    assert of_kind(PairKind.REPLACED, list(pairs([product(1, 1)] * 9, [product(2, 2)], TABLE, seed=13))) == []
    assert of_kind(PairKind.REPLACED, list(pairs([product(1, 1)] * 9, [product(2, 1, "green")], TABLE, seed=13))) == []


def test_a_text_is_compared_with_all_neighbours_and_a_near_one_with_the_others() -> None:
    one = replace(product(1, 1, others=("first", "second", "third")), other_titles=("First", "Second", "Third"))
    found = list(pairs([one] * 20, [product(2, 2)], TABLE, 13, nearest=2))
    near = {(pair.text, pair.neighbour_titles) for pair in found if pair.kind == PairKind.NEAR}
    assert near == {("first", ("Second", "Third")), ("second", ("First", "Third"))}
    assert {pair.neighbour_titles for pair in found if pair.kind != PairKind.NEAR} == {one.other_titles}


def test_a_duplicate_is_no_random_text() -> None:
    assert of_kind(PairKind.RANDOM, list(pairs([product(1, 5)], [product(2, 5)], TABLE, seed=13))) == []
    found = list(pairs([product(1, 5)], [product(2, 5), product(3, 6)], TABLE, seed=13, randoms=20))
    assert set(of_kind(PairKind.RANDOM, found)) == {"A red sock, number 3."}


def test_a_beginning_has_a_few_of_the_first_words() -> None:
    other = replace(product(2, 2), text=" ".join(map(str, range(40))))
    found = of_kind(PairKind.BEGINNING, list(pairs([product(1, 1)] * 200, [other], TABLE, seed=13)))
    lengths = {len(text.split()) for text in found}
    assert (min(lengths), max(lengths)) == BEGINNING_WORDS
    assert all(other.text.startswith(text) for text in found)


def test_the_nearest_text_is_drawn_from_the_first_few() -> None:
    chosen = [product(1, 1, others=("first", "second", "third"))] * 40
    others = [product(2, 2)]
    assert set(of_kind(PairKind.NEAREST, list(pairs(chosen, others, {}, 13)))) == {"first"}
    assert set(of_kind(PairKind.NEAREST, list(pairs(chosen, others, {}, 13, nearest=2)))) == {"first", "second"}


def test_the_same_seed_draws_the_same_pairs() -> None:
    products = learning_products(60, seed=7)
    table = find_alternatives((one.title, other) for one in products for other in one.other_titles)
    first, again, other = (list(pairs(products, products, table, seed, 3, 2)) for seed in (13, 13, 14))
    assert first == again != other


def test_an_exchanged_text_differs_from_the_own_one_in_one_fact() -> None:
    products = learning_products(200, seed=7)
    table = find_alternatives((one.title, other) for one in products for other in one.other_titles)
    found = list(pairs(products, products, table, seed=13))
    own = {pair.title: pair.text for pair in found if pair.kind == PairKind.OWN}
    exchanged = [pair for pair in found if pair.kind == PairKind.EXCHANGED]
    assert len(exchanged) > 20
    for pair in exchanged:
        before, after = set(terms(own[pair.title])), set(terms(pair.text))
        assert before != after
        assert any(
            before - after <= set(phrase.split()) and after - before <= set(other.split())
            for phrase in phrases(terms(pair.title), LONGEST) & table.keys()
            for other in table[phrase]
        )
