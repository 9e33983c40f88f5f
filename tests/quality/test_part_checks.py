"""A text is held back for what shows only beside the other texts of its part."""

import pytest

from jobs.quality import part_checks
from jobs.quality.checks import Checker

TITLE = "Brother LC51M Magenta Ink, 10 cm"


def test_a_text_that_many_products_share_is_generic_unless_they_are_duplicates() -> None:
    text, other = "A good thing that fits nearly every home.", "Another text about one product only."
    scores = [Checker().score("Thing", words, (), True) for words in [text] * 4 + [other]]
    shared = part_checks.with_generic(scores, [text, text.upper(), text, text, other], [1, 2, 3, 4, 5])
    assert ["generic" in score.flags for score in shared] == [True] * 4 + [False]
    assert shared[0].evidence["generic"] == {"products": 4}
    assert part_checks.with_generic(scores, [text] * 4 + [other], [1, 1, 2, 3, 5]) == scores


@pytest.mark.parametrize(
    ("passing", "texts", "held_back"), [(3, 20, True), (4, 20, False), (3, 19, False), (0, 20, False), (19, 100, True)]
)
def test_where_few_texts_pass_those_are_held_back_too(passing: int, texts: int, held_back: bool) -> None:
    right = "A magenta ink cartridge for Brother printers, the LC51M fits a slot of 10 cm."
    good, bad = (Checker().score(TITLE, text, (), True) for text in (right, "Too short."))
    assert (good.flags, bool(bad.flags)) == ((), True)
    scores = [good] * passing + [bad] * (texts - passing)
    found = part_checks.with_unreliable(scores)
    assert found[passing:] == scores[passing:]
    expected = {"unreliable": {"passing": passing, "texts": texts}} if held_back else {}
    assert [score.evidence for score in found[:passing]] == [expected] * passing
