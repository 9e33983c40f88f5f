"""Each check flags the texts that it is meant for, and no others."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality import checks
from jobs.quality.contradiction import exchanged_words, facts_of_another, other_gender, other_numbers
from jobs.quality.copying import copying
from jobs.quality.grounding import grounded_share, ungrounded, unknown_addresses, unknown_groups
from jobs.quality.matcher import Calibration
from jobs.quality.negation import missing_negations, negated_words
from jobs.quality.word_pairs import MIN_OCCURRENCES, count_word_pairs
from jobs.quality.word_statistics import WordStatistics
from jobs.retrieval.neighbours import Neighbour
from tests.quality.matchers import share_matcher

TITLE = "Brother LC51M Magenta Ink, 10 cm"
CONTENT = "A genuine cartridge that prints up to 400 pages with vivid colour and no smears at all."
NEIGHBOUR = Neighbour("B0001", "Brother LC51C Cyan Ink, 10 cm", CONTENT, 0.9)
GOOD = "A magenta cartridge for Brother printers, the LC51M gives about 400 pages and fits a slot of 10 cm."


def flags(
    text: str, title: str = TITLE, neighbours: tuple[Neighbour, ...] = (NEIGHBOUR,), ended: bool = True
) -> tuple[str, ...]:
    return checks.Checker().score(title, text, neighbours, ended).flags


def test_a_good_description_has_no_flag() -> None:
    scores = checks.Checker().score(TITLE, GOOD, [NEIGHBOUR], ended=True)
    assert scores == checks.Scores(0, 1, scores.copying, 19, ())
    assert scores.copying < 0.5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" ... !", "empty"),
        ("very good ink it is very good ink it is very good ink it is", "repetition"),
        ("It prints well on paper. A fine thing for any office desk. It prints well on paper.", "repetition"),
        ("A magenta ink that prints prints prints in all offices.", "repetition"),
        ("Please describe this product: Brother magenta ink for the office.", "prompt"),
        ("A magenta ink. Similar product: Brother ink in cyan.", "prompt"),
        ("A magenta ink cartridge for lines of 50 \ufffdm on any paper.", "unknown"),
        ("A magenta cartridge that gives 5000 pages for all printers.", "invented"),
        ("Brother ink in magenta for the printer MFC-240C and others.", "invented"),
        ("A cyan cartridge that gives 400 pages on any paper.", "contradicts"),
        ("A magenta cartridge for a slot of 12 cm, up to 10 of them.", "contradicts"),
        ("Brother LC51M magenta ink, 10 cm. Brother ink LC51M.", "copied"),
        ("A genuine cartridge that prints up to 400 pages with vivid colour and no smears at all.", "copied"),
        ("Good magenta ink.", "short"),
        (" ".join(f"w{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(401)), "long"),
    ],
)
def test_a_text_that_fails_a_check_has_the_reason(text: str, reason: str) -> None:
    assert reason in flags(text)
    assert set(flags(text)) <= set(checks.REASONS)


def test_a_truncated_text_is_unfinished_unless_its_last_sentence_is_complete() -> None:
    truncated = "A magenta ink cartridge, the LC51M for Brother printers, and it also"
    assert flags(truncated, ended=False) == ("unfinished",)
    assert flags(truncated, ended=True) == ()
    assert flags("A magenta ink cartridge, the LC51M for Brother printers. (Really!)", ended=False) == ()
    assert flags("A magenta ink cartridge for Brother printers of 10.", ended=False) == ()


@pytest.mark.parametrize(
    ("text", "source", "fraction"),
    [
        ("no numbers here", "none there", 1),
        ("12 of 30", "12", 0.5),
        ("LC-51m", "lc51M", 1),
        ("10cm", "10 cm", 1),
        ("10 cm", "10cm wide", 1),
        ("10-inch", "10 inch", 1),
        ("iPhone15", "iPhone 15 Pro", 1),
        ("iPhone 15", "iPhone15", 1),
        ("4x6", "4 x 6", 1),
        ("4x6", "4 and 7", 0.5),
        ("1,000 pages", "1000 pages", 1),
        ("1.5 l", "15 l", 0),
        ("1/2 inch", "12 inch", 0),
        ("1/2 inch", "1/2 inch", 1),
        ("A7", "7", 0),
        ("2 TB", "20 TB", 0),
        ("in 2019.", "2019", 1),
        ("2.60 GHz", "2.6 GHz", 1),
        ("2.06 GHz", "2.6 GHz", 0),
        ("10", "100", 0),
        ("for HP15/HP17", "HP15 and HP17", 1),
        ("for HP15/HP17", "HP15 and HP16", 0),
        ("the HR1560", "HR1560/55", 1),
        ("the DCT418", "DCT418S1 kit", 1),
        ("the DCT41", "DCT418S1 kit", 0),
        ("S10", "S10e", 0),
        ("iPhone15", "iPhone 15", 1),
        ("holds 810 ml", "with 8, 10 or 12 litre", 0),
        ("12 of 15", "packs of 1, 2 and 15", 0.5),
        ("64 MB", "a card of 64 GB", 0),
        ("255g/m²", "paper of 255g/m²", 1),
        ("265g/m²", "paper of 255g/m²", 0),
        ("64 gigabytes", "a card of 64GB", 1),
        ("64 GB", "the 64", 1),
        ("$64", "a card of 64 GB", 0),
        ("$64", "only $64", 1),
        ("1255 parts", "the M1255", 0),
        ("the PGI 9", "ink PGI-9", 1),
        ("usb 2.0", "USB2.0", 1),
        (".64 GB", "a card of 64 GB", 0),
        ("0.25-in", ".250-in", 1),
        ("2-inch", "1/2-inch", 0),
        ("2/1 inch", "1/2 inch", 0),
        ("a 70XL", "the HP 70", 0),
        ("a 70XL", "the HP 70 XL", 1),
        ("$70XL", "only $70XL", 1),
        ("$70XL", "only $70", 0),
        ("the 3rd", "3 of them", 1),
        ("52.5 mm", "52,5 mm", 1),
        ("20 x 30 cm", "30x20 cm", 1),
        ("20 x 20 cm", "20 x 30 cm", 1),
        ("15cms", "15 cm", 1),
        ("sizes 8 and 10", "sizes 8,10", 1),
        ("a pack of 4, 2 mm thick", "pack of 4 with 2 mm", 1),
        ("20 x 30 cm", "20 cm wide and 30 cm high", 1),
        ("4 cm", "4x6 cm", 1),
    ],
)
def test_grounding_is_the_fraction_of_numbers_and_codes_in_the_sources(text: str, source: str, fraction: float) -> None:
    assert grounded_share(text, ungrounded(text, ["something else", source])) == fraction


@pytest.mark.parametrize("address", ["www.shop.example", "https://shop.example/item?id=abc", "sales@shop.example"])
def test_an_address_must_be_in_the_title(address: str) -> None:
    assert unknown_addresses("A lamp", f"More at {address}.") == [address]
    assert unknown_addresses(f"A lamp of {address}", f"More at {address.upper()}, too.") == []
    assert "invented" in flags(f"A magenta ink by Brother, more at {address}", TITLE)


def test_numbers_that_x_joins_must_be_together_in_a_source() -> None:
    sources = ["Print, 20 x 30 cm", "A print of 40x50 cm."]
    assert unknown_groups("A print of 20 x 30 or 50 x 40 cm.", sources) == []
    assert unknown_groups("A print of 20 x 20 cm and 20x50 cm.", sources) == ["20 x 20", "20 x 50"]
    assert unknown_groups("A print of 20 x 20 cm.", ["Print, 20 cm"]) == []
    text = "A print of 20 x 20 cm, matt and of a heavy paper."
    found = checks.Checker().score("Print, 20 x 30 cm", text, [], True)
    assert (found.evidence["invented"], found.grounding) == ({"numbers": ["20 x 20"]}, 1)


@pytest.mark.parametrize(
    ("title", "text", "negated"),
    [
        ("Dimmable LED Lamp", "This lamp is not dimmable.", [("dimmable", "not dimmable")]),
        ("Dimmable LED Lamp", "A lamp that is not fully dimmable.", [("dimmable", "not fully dimmable")]),
        ("Dimmable LED Lamp", "A dimmable lamp without a switch.", []),
        ("Dimmable LED Lamp", "It is not only dimmable but bright.", []),
        ("Non-Slip Bath Mat, Cotton", "A soft non-slip cotton bath mat.", []),
        ("Cotton Socks No Show", "Socks of no-show cotton.", []),
        ("Glass Water Bottle", "It never leaks water.", []),
        ("Glass Water Bottle", "It has no glass.", [("glass", "no glass")]),
        ("Cotton Shirt", "Made without any cotton.", [("cotton", "without any cotton")]),
        ("Leather Belt", "A belt of faux leather.", [("leather", "faux leather")]),
        ("Striped Shirt", "Plain instead of striped.", [("striped", "instead of striped")]),
        ("Scented Candle", "An unscented candle.", [("scented", "unscented")]),
        ("Dairy Milk Chocolate", "A dairy-free, milkless bar.", [("dairy", "dairy-free"), ("milk", "milkless")]),
        ("Slip-On Shoes, Non-Slip Sole", "Shoes with a non-slip sole.", []),
        ("Slip-On Loafers", "A non-slip sole.", []),
        ("Sugar Free Gum", "This sugar-free gum is free of sugar.", []),
        ("Hands-Free Headset", "A hands free headset.", []),
        ("No-Iron Shirt", "No iron needed.", []),
        ("Smart Door Lock", "Unlock your door.", []),
        ("Sofa Cover, Pack of 2", "Unpack it. Uncover the sofa.", []),
        ("Bacteria-Resistant Mat", "A mat without bacteria.", []),
        ("Feather Pillow", "There is no pillow like it.", []),
        ("Pan with Handle", "10 inches excluding handle.", []),
        ("Colored Pencils", "Uncolored pencils.", [("colored", "uncolored")]),
        ("Water Color Paper", "A colorless paper.", []),
        ("Cotton Shirt", "Why not? Cotton is great.", []),
        ("Lamp without Dimmable Bulb", "A lamp without dimmable bulb.", []),
        ("Fast Charge Power Bank", "Delivered free of charge.", []),
        ("Lamp with Lid", "A lamp with no lid.", []),  # short words state no fact
        ("Waterproof Watch", "It isn’t waterproof.", [("waterproof", "isn’t waterproof")]),
        ("Nitrile Gloves", "Gloves not made of nitrile.", [("nitrile", "not made of nitrile")]),
        ("Kurta with Palazzos", "Does not come with palazzos.", [("palazzos", "not come with palazzos")]),
        ("Original Toner", "It isn't a genuine original.", [("original", "isn't a genuine original")]),
        ("Excel for Windows", "It does not run on old windows.", [("windows", "not run on old windows")]),
        ("Excel for Windows", "It does not run on any very old windows.", []),  # too far away
        ("Dry Erase Board, Glass", "It wipes off without damaging glass.", []),
        ("Test Tubes with Caps", "Plastic tubes, no matching caps.", [("caps", "no matching caps")]),
        ("Photo Software", "It is not limited to photo albums.", []),
        ("Switch with Cables", "The cables are not included.", [("cables", "cables are not included")]),
        ("Kajal with Sharpener", "Sharpener sold separately.", [("sharpener", "sharpener sold separately")]),
        ("Phone Case", "A case; phone not included.", []),  # nor does the title say so
        ("Mount and Adapter for Screens", "The adapter is not included.", [("adapter", "adapter is not included")]),
        ("Mount and Adapter for Screens", "The screen and screens are not included.", []),
        ("Mount for Screens and Speakers", "Speakers are not included.", []),
        ("Roof Sealant", "It is not for roofs.", [("roof", "not for roofs")]),
        ("Walnut Boards", "A set without boards.", [("boards", "without boards")]),
        ("Walnut Boards", "It is not a board of oak.", [("boards", "not a board")]),
    ],
)
def test_a_negated_word_of_the_title_is_named(title: str, text: str, negated: list[tuple[str, str]]) -> None:
    assert negated_words(title, text) == negated
    assert ("contradicts" in checks.Checker().score(title, text, [], True).flags) == bool(negated)


@pytest.mark.parametrize(
    ("title", "text", "missing"),
    [
        ("Alcohol-Free Toner", "A toner with alcohol.", [("alcohol-free", "alcohol")]),
        ("Rinse, Alcohol Free", "A rinse of alcohol and mint.", [("alcohol free", "alcohol")]),
        ("Non-Padded Bra", "It has padded cups.", [("non-padded", "padded")]),
        ("Unscented Candle", "A scented candle.", [("unscented", "scented")]),
        ("Alcohol-Free Toner", "A toner that is free of alcohol.", []),
        ("Alcohol-Free Toner", "A toner without any alcohol.", []),
        ("Alcohol-Free Toner", "An alcohol free toner, because alcohol is harsh.", []),
        ("Non Padded Bra", "An everyday branon padded and wired.", []),  # scraped texts run sentences together
        ("Powder-Free Gloves, Powder Blue", "Gloves in powder blue.", []),
        ("Non-Slip Mat", "You will not slip.", []),
        ("Wireless Mouse", "A mouse with a wire.", []),
    ],
)
def test_what_the_title_negates_needs_a_negation(title: str, text: str, missing: list[tuple[str, str]]) -> None:
    assert missing_negations(title, text) == missing
    assert ("contradicts" in checks.Checker().score(title, text, [], True).flags) == bool(missing)


PAN = "Alderney Cast Iron Frying Pan, 12-inch, Red"


@pytest.mark.parametrize(
    ("other", "text", "contradicts"),
    [
        ("Alderney Cast Iron Frying Pan, 12-inch, Slate Grey (F263)", "A pan in slate grey.", True),
        ("Alderney Cast Iron Frying Pan, 12-inch, Slate Grey (F263)", "A pan in red or slate grey.", False),
        ("Alderney Cast Iron Frying Pan, 12-inch, Slate Grey (F263)", "A pan as heavy as slate.", False),
        ("Alderney Cast Iron Frying Pan, 12-inch, Slate Grey (F263)", "A pan, number F263, for the oven.", False),
        ("Greyfell Cast Iron Frying Pan, 12-inch, Red", "The Greyfell pan is red.", True),
        ("Greyfell Wool Blanket, Large, Slate Grey", "The Greyfell pan is slate grey.", False),
        ("Alderney Cast Iron Frying Pan with Lid, 12-inch, Red", "A pan with lid.", False),
        (PAN, "A pan in slate grey.", False),
    ],
)
def test_words_that_distinguish_a_similar_title_contradict_the_title(other: str, text: str, contradicts: bool) -> None:
    assert bool(facts_of_another(PAN, text, ["Harbrook Felt Cat Bed", other])) is contradicts


@pytest.mark.parametrize(
    ("text", "exchanged"),
    [
        ("Green chinos with a slim fit.", [("regular fit", "slim fit")]),
        ("Green chinos with a regular, not a slim fit.", []),
        ("Green chinos that fit regularly, cut like a slim fit.", []),
        ("Green chinos with a tight fit.", []),  # no similar title has it
        ("Green chinos with a good fit for slim boys.", []),
        ("Boys olive green chinos.", []),  # the first word is the maker
    ],
)
def test_a_word_that_a_similar_title_has_in_its_place_contradicts_the_title(
    text: str, exchanged: list[tuple[str, str]]
) -> None:
    title, others = "Harbrook Olive Green Regular Fit Chinos", ["Boys Olive Green Slim Fit Shirt", "Chinos for a fit"]
    assert exchanged_words(title, text, others) == exchanged
    neighbours = [Neighbour("", other, "", 0.9) for other in others]
    assert ("contradicts" in checks.Checker().score(title, text, neighbours, True).flags) == bool(exchanged)


@pytest.mark.parametrize(
    ("title", "text", "contradicts"),
    [
        (PAN, "A red pan of 10 inches.", True),
        (PAN, "A red pan of 12 inches, larger than that of 10 inches.", False),
        (PAN, "A red pan that weighs 2 kg.", False),
        ("Puzzle, 1,000 Piece", "1000 pieces of wood.", False),
        ("Puzzle, 200 Piece", "1,000 pieces of wood.", True),
        ("Lamp, 9W", "A lamp of 7 W.", True),
        ("Chip, 1.8 GHz", "A chip of 1.80 GHz.", False),
        ("Chip, 1.8 GHz", "A chip of 1.81 GHz.", True),
        ("Toner, 12000 pages", "Prints 12.000 pages.", False),
        ("Toner, 12000 pages", "Prints 12.50 pages.", True),
        ("Print, 4x6 inch", "For frames of 8 inch.", True),
        ("Hose, 1/2 inch", "Fits taps of 3/4 inch.", True),
        ("Volume 2 of Rome", "1 of the best.", False),
        ("Cotton towels, pack of 4", "A pack of 6 towels.", True),
        ("Cotton towels, pack of 4", "A 6-pack of towels.", True),
        ("Cotton towels, 4 pack", "A pack of 4 towels.", False),
        ("Boots, size 42", "Boots of size 41.", True),
        ("Boots, size 42", "Boots of size 42, also sold in size 41.", False),
        ("Ink, 2 packs of 5", "A pack of 5.", False),
        ("Knife set 8 inch Chef", "Comes in a set of 3.", False),
        ("Battery pack 20000 mAh", "Pack of 6.", False),
        ("Trunks, pack of 3", "They come as a pack of two.", True),
        ("Trunks, pack of 3", "They come as a pack of three.", False),
        ("Cord, 15,2 m", "A cord of 15.2 m.", False),
        ("Cord, 15,2 m", "A cord of 2 m.", True),
        ("Tent 4 Person", "A tent that one person can set up.", False),
        ("Pan, 10in", "A pan of 12 inches.", True),
        ("Pan, 10-in", "A pan of 12-in.", True),
        ("Tool, 5-in-1", "A tool, 3 in 1.", False),
        ("Set of 2 1/4 inch Sockets", "A set of 2 sockets, each 1/4 inch.", False),
        ("Board 20 x 30 cm", "Size: 30 x 20 cm.", False),
        ("Charger 100-240 V", "For 100 V.", False),
        ("Charger 100-240 V", "For 12 V.", True),
        ("Puzzle, 5-10 years", "Suitable from 5 years.", False),
        ("Cutter 8, 10 and 12 cm", "The 8 cm one.", False),
        ("Cutter 8, 10 and 12 cm", "The 9 cm one.", True),
        ("Area Rug 120 x 170 cm", "A rug of 120 x 180 cm.", True),
        ("Bottles 2 x 500 ml", "Two bottles, 2 x 750 ml.", True),
        ("Dog Lead 5-10 kg", "For dogs of 5-20 kg.", True),
        ("Dog Lead 5-10 kg", "For dogs of 5-10 kg, packed in a box of 1 kg.", False),
        ("Power Bank 12000 mAh", "It has 12.000 mAh.", False),
        ("Jug 1.500 ml", "It holds 1500 ml.", False),
        ("Gloves for $10", "Gloves for $12.", False),  # prices are left to their sources
        ("Pulley 5mm Bore 6mm Width", "A pulley with a 6 mm bore and 5 mm width.", True),
        ("Pulley 5mm Bore 6mm Width", "A pulley with a 5 mm bore, 6 mm wide.", False),
        ("Laptop 8 GB RAM 512 GB SSD", "It has 512 GB RAM and 8 GB SSD.", True),
        ("Laptop 1512 GB HDD+SSD", "It has 1000 GB HDD and 512 GB SSD, together 1512 GB.", False),
        ("Cable 6 ft Cable 1.8 m", "A 1.8 m cable.", False),
        ("Band Set, 2 Mandrels, 4 Grits", "With four mandrels and two grits.", True),
        ("Band Set, 2 Mandrels, 4 Grits", "With two mandrels and four grits.", False),
        ("Six Port Hub", "A hub with 4 ports.", True),
        ("Cards, 24 Sheets", "Twenty-four sheets, or twenty four sheets.", False),
    ],
)
def test_another_number_for_the_same_quantity_contradicts_the_title(title: str, text: str, contradicts: bool) -> None:
    assert bool(other_numbers(title, text)) is contradicts


@pytest.mark.parametrize(
    ("title", "text", "evidence"),
    [
        ("Anker Power Bank 20,000mAh", "A power bank with 10,000mAh.", [("20000mah", "10000mah")]),
        ("Anker Power Bank 20,000mAh", "A power bank with 20,000 mAh.", []),
        ('Laptop 15.6"', "A laptop of 13.3 inches.", [('15.6"', "13.3 inches")]),
        ('Laptop 15.6"', "A 15.6-inch laptop.", []),
        ("100% Cotton Bag", "A bag of 50% cotton.", [("100%", "50%"), ("100% cotton", "50% cotton")]),
        ("Bit Set, 19 Piece", "A set of 15 pieces.", [("19 piece", "15 pieces")]),
        ("Pads, pack of 6", "A pack of 4.", [("pack of 6", "pack of 4")]),
        ("Pads, pack of 24", "A pack of twenty four.", []),
        ("Board 20 x 30 cm", "It measures 40 or 50 cm.", [("20 cm", "40 cm")]),
        ("Rug 120 x 170 cm", "Rug, 120 x 180 cm.", [("170 cm", "180 cm")]),
        ("Board 20 x 30 cm", "It measures 30 x 40 cm.", [("20 cm", "40 cm")]),
    ],
)
def test_quantities_are_shown_as_they_are_stated(title: str, text: str, evidence: list[tuple[str, str]]) -> None:
    assert other_numbers(title, text) == evidence


@pytest.mark.parametrize(
    ("title", "text", "other"),
    [
        ("Reebok Men Running Shoes", "The perfect gift for her.", [("men", "for her")]),
        ("Women's Cotton Top", "Stylish wear for ladies and gentlemen.", [("women", "gentlemen")]),
        ("Girls Party Dress", "A dress for girls.", []),
        ("Unisex T-shirt, Men and Others", "A T-shirt for women.", []),
        ("Shirt for Men and Women", "For women.", []),
        ("A Woman of Substance", "His story.", []),  # a title of a book says for nobody
        ("Gilmore Girls, Season 1", "A mother and her friends, his wife and he.", []),
        ("X-Men Storm Figure", "A woman with white hair.", []),
        ("Nintendo Game Boy Color", "A girl finds her way.", []),
        ("Shirt for men", "Long-women is one word.", []),
        ("Men's Wallet", "A gift for her husband.", []),
        ("Boys Shirt", "A gift for her little sons.", []),
        ("Men's Wallet", "A gift for her birthday.", [("men", "for her")]),
    ],
)
def test_another_gender_than_that_of_the_title_is_named(title: str, text: str, other: list[tuple[str, str]]) -> None:
    assert other_gender(title, text) == other
    assert ("contradicts" in checks.Checker().score(title, text, [], True).flags) == bool(other)


def test_a_number_in_words_needs_a_source() -> None:
    neighbours = [Neighbour("1", "Socks", "A pack of 6. Two pockets.", 0.9)]
    for text, numbers in (
        ("A pack of twelve socks.", ["12"]),
        ("A pack of six, one of a kind.", None),
        ("A pack of two.", ["2"]),
        ("A two-pack, or three packs of six.", ["2-pack", "3"]),
        ("One of two, with three stripes.", None),
        ("A dozen, or twenty.", ["dozen"]),
        ("A four-piece set.", ["four"]),
        ("A six-piece set of twenty-four.", None),
        ("A heavy-duty four burner stove.", ["four"]),
    ):
        found = checks.Checker().score("Wool socks", f"{text} They are warm and soft.", neighbours, True)
        assert found.evidence.get("invented", {}).get("numbers") == numbers


def test_a_count_of_packs_in_words_needs_the_support_of_a_number() -> None:
    neighbours = [Neighbour("1", "Socks", "A pack of 4.", 0.9), *[Neighbour("2", "Socks", "One pair.", 0.9)] * 5]
    text = "Wool socks in a pack of four, warm and soft."
    assert checks.Checker().score("Wool socks", text, neighbours, True).evidence["invented"] == {"numbers": ["4"]}
    assert checks.Checker(number_support=1).score("Wool socks", text, neighbours, True).flags == ()
    assert checks.Checker().score("Wool socks, four-pack", text, neighbours, True).flags == ()


def test_a_separator_of_thousands_before_a_unit_is_none_of_the_number() -> None:
    assert ungrounded("It has 20000 mAh and 20,000mAh.", ["Power bank 20,000mAh"]) == []
    assert ungrounded("It has 10,000mAh.", ["Power bank 20,000mAh"]) == ["10000mah"]


def test_only_the_nearest_neighbours_are_evidence() -> None:
    neighbours = [Neighbour(str(number), "Lamp", "A lamp.", 0.9) for number in range(8)]
    last = Neighbour("8", "Lamp", "A lamp of 37 cm.", 0.8)
    checker = checks.Checker(number_support=1)
    for found in ([*neighbours, last], [last, *neighbours]):
        scores = checker.score("Desk lamp", "A lamp of 37 cm for the desk and for the shelf.", found, ended=True)
        assert ("invented" in scores.flags) == (found[0] is not last)


def test_evidence_is_readable() -> None:
    evidence = {"probability": 0.1, "missing": ["red", "wool"], "fits_better": "Blue Sock"}
    assert checks.evidence_text(evidence) == "probability 0.1; missing red, wool; fits better Blue Sock"
    assert [checks.evidence_text(value) for value in (None, "red", ["a", 2])] == ["", "red", "a, 2"]


def test_a_text_that_is_off_its_title_names_what_speaks_against_it() -> None:
    counted = WordStatistics()
    for _ in range(9):
        counted.add("Alderney wool sock", "A wool sock by Alderney.", ["A wool sock by Greyfell."])
    checker = checks.Checker(replace(share_matcher(), statistics=counted.finish()), publish_from=0.99)
    neighbour = Neighbour("S1", "Greyfell wool sock", "A wool sock by Greyfell.", 0.9)
    scores = checker.score(
        "Alderney wool sock", "A wool sock by Greyfell, soft and warm for the winter.", [neighbour], True
    )
    evidence = scores.evidence[checks.OFF_TITLE]
    assert (evidence["missing"], evidence["unexpected"][0]) == (["alderney"], "greyfell")
    assert evidence["fits_better"] == "Greyfell wool sock"


def test_copying_counts_title_words_and_long_runs_but_not_short_phrases() -> None:
    assert copying(TITLE, TITLE, []) == 1
    assert copying(TITLE, "", []) == 0
    assert copying("Ink", "prints up to 400 pages on any desk", [CONTENT]) == 0
    run = "that prints up to 400 pages with vivid colour"
    assert copying("Ink", f"a thing {run}", [CONTENT]) == pytest.approx(9 / 11)
    halves = ["that prints up to 400", "pages with vivid colour"]
    assert copying("Ink", run, halves) == 0


@given(st.text(max_size=300), st.text(max_size=60), st.lists(st.text(max_size=100), max_size=3), st.booleans())
def test_scores_are_fractions_and_reproducible_for_any_text(
    text: str, title: str, titles: list[str], ended: bool
) -> None:
    neighbours = [Neighbour("U", other, text, 0.5) for other in titles]
    scores = checks.Checker().score(title, text, neighbours, ended)
    assert scores == checks.Checker().score(title, text, neighbours, ended)
    assert all(0 <= fraction <= 1 for fraction in (scores.repetition, scores.grounding, scores.copying))
    assert scores.length_words >= 0
    assert list(scores.flags) == [reason for reason in checks.REASONS if reason in scores.flags]
    assert ungrounded(text, [text]) == []


@given(st.text(max_size=200), st.integers(10**6, 10**9))
def test_a_number_without_a_source_is_always_flagged(text: str, number: int) -> None:
    if str(number) not in text:
        assert "invented" in flags(f"{text} {number} pages", TITLE, ())


def test_an_attribute_that_most_neighbours_contradict_is_invented() -> None:
    made = replace(share_matcher(publish_from=0), attributes={"tray": {"single": 30, "double": 20}})
    neighbours = [
        Neighbour("1", "Printer", f"A printer with a {count} tray", 0.9) for count in ("single", "single", "double")
    ]
    for text, evidence in (
        ("A Brother printer with a double tray", {"attribute": "double tray", "neighbours": "single tray"}),
        ("A Brother printer with a single tray", None),
    ):
        found = checks.Checker(made).score("Brother printer", text, neighbours, ended=True).evidence
        assert found.get("invented") == evidence


@pytest.mark.parametrize(
    ("having", "support", "invented"),
    [
        (0, 1, True),
        (1, 1, False),
        (1, 2, True),
        (2, 2, False),
        (5, 6, True),
        (6, 6, False),
        (5, 8, True),
        (6, 8, False),
    ],
)
def test_a_number_that_the_title_lacks_must_be_in_enough_neighbours(having: int, support: int, invented: bool) -> None:
    """Of six neighbours, `having` have the number. All must have it if more than six are asked for."""
    without = Neighbour("B0002", "Brother Ink, 10 cm", "A genuine cartridge.", 0.8)
    scores = checks.Checker(number_support=support).score(
        TITLE, GOOD, [NEIGHBOUR] * having + [without] * (6 - having), True
    )
    assert scores.evidence.get("invented") == ({"numbers": ["400"]} if invented else None)


def test_a_number_of_the_title_needs_no_neighbour() -> None:
    text = "A magenta cartridge for Brother printers, the LC51M fits a slot of 10 cm."
    assert "invented" not in checks.Checker(number_support=8).score(TITLE, text, [NEIGHBOUR], ended=True).flags


def test_words_that_are_never_side_by_side_are_named() -> None:
    made = share_matcher()
    made = replace(
        made,
        word_pairs=count_word_pairs(["A sock of red wool for winter."] * 9),
        calibration=replace(made.calibration, unseen_from=0.5),
    )
    for text, expected in (("A sock of red winter.", {"words": "red winter"}), ("A sock of red wool.", None)):
        found = checks.Checker(made).score("red sock of wool", text, [], ended=True)
        assert found.evidence.get(checks.WORDING) == expected


def test_a_text_whose_last_word_ends_no_sentence_is_unfinished() -> None:
    made = replace(share_matcher(), word_pairs=count_word_pairs(["A sock for the winter."] * MIN_OCCURRENCES))
    for text, unfinished in (
        ("A warm red sock for the", True),
        ("A warm red sock for the.", True),
        ("A sock for winter", False),
    ):
        found = checks.Checker(made).score("red sock", text, [], ended=True)
        assert ("unfinished" in found.flags) == unfinished


def test_what_a_text_says_beside_its_whole_title_must_fit_too() -> None:
    """The rest has none of the title's words, and so a probability of 0.7 %."""
    made = share_matcher()
    made = replace(made, calibration=replace(made.calibration, rest_from=0.01))
    rest = "Elevate your home decor with this stunning marble wall clock."
    for text, unfit in ((f"Red wool sock. {rest}", True), (f"A red wool sock in red. {rest}", False)):
        evidence = checks.Checker(made, publish_from=0.5).score("red wool sock", text, [], True).evidence
        assert (evidence.get(checks.UNSUPPORTED) == {"probability_without_title": 0.0067}) == unfit
        assert checks.OFF_TITLE not in evidence


def test_a_sentence_that_nothing_speaks_for_is_named() -> None:
    made = share_matcher()
    checker = checks.Checker(replace(made, calibration=replace(made.calibration, support_from=0.1)))
    sentence = "Cures headaches and improves moods within days."
    near = Neighbour("S1", "Pill", f"A pill. {sentence}", 0.9)
    for neighbours, expected in (([], {"sentence": sentence}), ([near], None)):
        found = checker.score("red wool sock", f"A red wool sock. {sentence}", neighbours, ended=True)
        assert found.evidence.get(checks.UNSUPPORTED) == expected


@pytest.mark.parametrize(
    ("neighbours", "support", "evidence"), [(4, 5, {"words": ["wool"]}), (5, 5, None), (1, 1, None)]
)
def test_a_word_before_one_of_the_title_that_too_few_neighbours_have_is_named(
    neighbours: int, support: int, evidence: dict[str, list[str]] | None
) -> None:
    counted = WordStatistics()
    counted.add("Grey wool sock", "A wool sock.", [])
    made = replace(share_matcher(publish_from=0), statistics=counted.finish())
    others = [Neighbour("", "Sock", "Made of wool." if row < neighbours else "Warm.", 0.9) for row in range(8)]

    def found(calibration: Calibration) -> object:
        checker = checks.Checker(replace(made, calibration=calibration), number_support=support)
        return checker.score("Grey sock", "A grey wool sock.", others, ended=True).evidence.get("unsupported")

    assert found(replace(made.calibration, words=True)) == evidence
    assert found(made.calibration) is None  # a matcher of an earlier version
