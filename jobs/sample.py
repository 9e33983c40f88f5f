"""A small catalogue of invented products, with the dirt that real ones have, for a first try without any data.

Writes gzipped JSON Lines in the layout of AmazonTitles' `trn.json.gz`: uid, title, content, target_ind, target_rel. What a
title says (kind, material, colour, size, maker) comes back in its content, so that a small model has something to learn.

    .venv/bin/python -c 'from pathlib import Path; from jobs.sample import write_sample; write_sample(Path("rows.json.gz"), 600, 13)'
"""

import gzip
import html
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAKERS = ("Alderney", "Brightwell", "Corrigan & Sons", "Dovetail", "Eastmoor", "Fernhill", "Greyfell", "Harbrook")
_COLOURS = ("Black", "White", "Navy Blue", "Forest Green", "Red", "Sand", "Slate Grey", "Mustard Yellow")
_CARE = (
    "Wipe clean with a damp cloth.",
    "Ships in a plain box without plastic.",
    "Spare parts are available for ten years.",
    "Comes with a two-year guarantee.",
    "Made in small batches and checked by hand.",
)
_REJECTED_EVERY, _TWIN_EVERY, _NEAR_TWIN_EVERY = 25, 30, 12


@dataclass(frozen=True)
class Kind:
    """A kind of product: its name, what it may be made of, its sizes, who it is for, and what one can say of it."""

    name: str
    materials: tuple[str, ...]
    sizes: tuple[str, ...]
    use: str
    remarks: tuple[str, ...]


_KINDS = (
    Kind(
        "Frying Pan",
        ("Cast Iron", "Carbon Steel", "Aluminium"),
        ("8-inch", "10-inch", "12-inch"),
        "the kitchen",
        ("It heats evenly and goes from hob to oven.", "The handle stays cool for longer.", "Works on gas and induction."),
    ),
    Kind(
        "Backpack",
        ("Canvas", "Recycled Nylon", "Waxed Cotton"),
        ("15 Litre", "22 Litre", "30 Litre"),
        "the way to work and weekend walks",
        ("A padded sleeve holds a 15\" laptop.", "Two side pockets take a bottle each.", "The straps don't slip."),
    ),
    Kind(
        "Desk Lamp",
        ("Brass", "Steel", "Oak"),
        ("5W", "7W", "9W"),
        "reading and close work",
        ("Three levels of light, from 10% to 100%.", "The arm turns through 180°.", "It takes a standard E14 bulb."),
    ),
    Kind(
        "Drill Bit Set",
        ("HSS", "Cobalt", "Titanium-Coated"),
        ("13 Piece", "19 Piece", "25 Piece"),
        "wood, plastic and metal",
        ("Sizes run from 1/16\" to 1/2\".", "Each bit is marked with its size.", "The case locks & stands upright."),
    ),
    Kind(
        "Notebook",
        ("Recycled Paper", "Dotted Paper", "Ruled Paper"),
        ("A4", "A5", "A6"),
        "plans, lists and sketches",
        ("192 pages of 100 g/m² paper.", "It lies flat when open.", "Ink doesn't bleed through."),
    ),
    Kind(
        "Running Jacket",
        ("Merino", "Polyester", "Ripstop"),
        ("Small", "Medium", "Large"),
        "cold mornings",
        ("Reflective seams can be seen from 100 m.", "The hood folds into the collar.", "Zips under the arms let heat out."),
    ),
    Kind(
        "Garden Hose",
        ("Rubber", "Reinforced PVC", "Hybrid Polymer"),
        ("15 m", "25 m", "50 m"),
        "gardens and yards",
        ("Fits 1/2\" and 3/4\" taps.", "It doesn't kink at 8 bar.", "The spray head has 5 settings."),
    ),
    Kind(
        "USB-C Cable",
        ("Braided", "Silicone", "Aramid"),
        ("1 m", "2 m", "3 m"),
        "phones, tablets and laptops",
        ("Charges at up to 100W.", "Moves data at 10 Gbit/s.", "Tested for 20,000 bends."),
    ),
    Kind(
        "Puzzle",
        ("Wooden", "Cardboard", "Cork-Backed"),
        ("200 Piece", "500 Piece", "1000 Piece"),
        "rainy afternoons, ages 8+",
        ("The picture shows a harbour at dusk.", "Every piece has a shape of its own.", "A poster is in the box!"),
    ),
    Kind(
        "Cat Bed",
        ("Felt", "Fleece", "Wicker"),
        ("40 cm", "50 cm", "60 cm"),
        "cats and small dogs",
        ("The cover comes off and washes at 40 °C.", "The base doesn't slide on tiles.", "The rim gives a place to rest."),
    ),
)  # fmt: skip


def write_sample(path: Path, rows: int, seed: int) -> None:
    """Write `rows` raw rows to `path`. The same `rows` and `seed` give the same bytes."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in sample_rows(rows, seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(lines.encode(), mtime=0))


def sample_rows(rows: int, seed: int) -> list[dict[str, Any]]:
    """Raw rows: about one in 25 lacks something, one in 30 repeats an earlier one, one in 12 nearly does."""
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    made: list[dict[str, Any]] = []
    clean: list[tuple[str, str]] = []
    for number in range(rows):
        if clean and chance.randrange(_TWIN_EVERY) == 0:
            title, content = chance.choice(clean)
        elif clean and chance.randrange(_NEAR_TWIN_EVERY) == 0:
            title, content = _nearly(chance, *chance.choice(clean))
        else:
            title, content = _product(chance)
            clean.append((title, content))
        if chance.randrange(_REJECTED_EVERY) == 0:
            title, content = chance.choice((("", content), (title, ""), (title, '""'), (title, "<p> </p>")))
        made.append(
            {
                "uid": f"S{number:09d}",
                "title": _dirty_title(chance, title),
                "content": _dirty(chance, content),
                "target_ind": [],
                "target_rel": [],
            }
        )
    return made


def _product(chance: random.Random) -> tuple[str, str]:
    kind = chance.choice(_KINDS)
    maker, material = chance.choice(_MAKERS), chance.choice(kind.materials)
    colour, size = chance.choice(_COLOURS), chance.choice(kind.sizes)
    model = f"{kind.name[0]}{chance.randrange(100, 1000)}"
    title = f"{maker} {material} {kind.name}, {size}, {colour} ({model})"
    sentences = [
        f"The {maker} {_in_a_sentence(kind.name)} is made of {_in_a_sentence(material)} for {kind.use}.",
        f"Size: {size}. Colour: {colour.lower()}.",
        *chance.sample(kind.remarks, chance.randint(1, len(kind.remarks))),
        *chance.sample(_CARE, chance.randint(0, 2)),
    ]
    return title, " ".join(sentences)


def _in_a_sentence(name: str) -> str:
    """`Cat Bed` as `cat bed`, `USB-C Cable` as `USB-C cable`."""
    return " ".join(word if word[1:2].isupper() else word.lower() for word in name.split())


def _nearly(chance: random.Random, title: str, content: str) -> tuple[str, str]:
    """The same product as another seller lists it."""
    return title.replace(" (", " - ", 1).replace(
        ")", ""
    ), f"{content} {chance.choice(('New!', 'In stock.', 'Best price!'))}"


def _dirty_title(chance: random.Random, title: str) -> str:
    draw = chance.randrange(20)
    if draw == 0:
        return html.escape(title)
    if draw == 1:
        return f"{title}&#174;"
    if draw == 2:
        return f"  {title.replace(', ', ' ,')} ★"
    return title


def _dirty(chance: random.Random, content: str) -> str:
    """The content as scrapers leave it: seven in ten stay clean."""
    sentences = content.split(". ")
    match chance.randrange(30):
        case 0:
            return f"<p>{'.</p><p>'.join(sentences)}</p>"
        case 1:
            return "<ul>" + "".join(f"<li>{part}</li>\n" for part in sentences) + "</ul>"
        case 2:
            return content.replace("'", "&#8217;").replace('"', "&quot;")
        case 3:
            return content.replace("'", "&#x2019;").replace(". ", "&#151;", 1)
        case 4:
            return html.escape(html.escape(content))
        case 5:
            return content.replace('"', "&quot").replace(" ", "&nbsp;", 3)
        case 6:
            return "<style>.a-box { color: #333; }</style><!-- .header { margin: 0 } -->" + content
        case 7:
            return f"• {content.replace('. ', '. • ')} ✔ 😀"
        case 8:
            return f"{content}<script>var shown = '<b>1</b>';</script><br/>"
        case _:
            return content.replace("!", "!!!")
