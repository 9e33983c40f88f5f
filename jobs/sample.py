"""A generated catalogue of invented products, with the noise of scraped rows, for a first run without any data.

Writes gzipped JSON Lines with the fields of AmazonTitles' `trn.json.gz`: uid, title, content, target_ind, target_rel. The
content repeats the facts of the title (category, material, colour, size, maker), so that a small model can learn them.

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
_REJECTED_EVERY, _DUPLICATE_EVERY, _NEAR_DUPLICATE_EVERY = 25, 30, 12


@dataclass(frozen=True)
class Category:
    """A category of products: its name, materials, sizes and use, and remarks that may be part of a content."""

    name: str
    materials: tuple[str, ...]
    sizes: tuple[str, ...]
    use: str
    remarks: tuple[str, ...]


_CATEGORIES = (
    Category(
        "Frying Pan",
        ("Cast Iron", "Carbon Steel", "Aluminium"),
        ("8-inch", "10-inch", "12-inch"),
        "the kitchen",
        ("It heats evenly and goes from hob to oven.", "The handle stays cool for longer.", "Works on gas and induction."),
    ),
    Category(
        "Backpack",
        ("Canvas", "Recycled Nylon", "Waxed Cotton"),
        ("15 Litre", "22 Litre", "30 Litre"),
        "the way to work and weekend walks",
        ("A padded sleeve holds a 15\" laptop.", "Two side pockets take a bottle each.", "The straps don't slip."),
    ),
    Category(
        "Desk Lamp",
        ("Brass", "Steel", "Oak"),
        ("5W", "7W", "9W"),
        "reading and close work",
        ("Three levels of light, from 10% to 100%.", "The arm turns through 180°.", "It takes a standard E14 bulb."),
    ),
    Category(
        "Drill Bit Set",
        ("HSS", "Cobalt", "Titanium-Coated"),
        ("13 Piece", "19 Piece", "25 Piece"),
        "wood, plastic and metal",
        ("Sizes run from 1/16\" to 1/2\".", "Each bit is marked with its size.", "The case locks & stands upright."),
    ),
    Category(
        "Notebook",
        ("Recycled Paper", "Dotted Paper", "Ruled Paper"),
        ("A4", "A5", "A6"),
        "plans, lists and sketches",
        ("192 pages of 100 g/m² paper.", "It lies flat when open.", "Ink doesn't bleed through."),
    ),
    Category(
        "Running Jacket",
        ("Merino", "Polyester", "Ripstop"),
        ("Small", "Medium", "Large"),
        "cold mornings",
        ("Reflective seams can be seen from 100 m.", "The hood folds into the collar.", "Zips under the arms let heat out."),
    ),
    Category(
        "Garden Hose",
        ("Rubber", "Reinforced PVC", "Hybrid Polymer"),
        ("15 m", "25 m", "50 m"),
        "gardens and yards",
        ("Fits 1/2\" and 3/4\" taps.", "It doesn't kink at 8 bar.", "The spray head has 5 settings."),
    ),
    Category(
        "USB-C Cable",
        ("Braided", "Silicone", "Aramid"),
        ("1 m", "2 m", "3 m"),
        "phones, tablets and laptops",
        ("Charges at up to 100W.", "Moves data at 10 Gbit/s.", "Tested for 20,000 bends."),
    ),
    Category(
        "Puzzle",
        ("Wooden", "Cardboard", "Cork-Backed"),
        ("200 Piece", "500 Piece", "1000 Piece"),
        "rainy afternoons, ages 8+",
        ("The picture shows a harbour at dusk.", "Every piece has a shape of its own.", "A poster is in the box!"),
    ),
    Category(
        "Cat Bed",
        ("Felt", "Fleece", "Wicker"),
        ("40 cm", "50 cm", "60 cm"),
        "cats and small dogs",
        ("The cover comes off and washes at 40 °C.", "The base doesn't slide on tiles.", "The rim gives a place to rest."),
    ),
)  # fmt: skip


def write_sample(path: Path, rows: int, seed: int) -> None:
    """Write raw rows to a gzipped file. The same `rows` and `seed` give the same bytes."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in sample_rows(rows, seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(lines.encode(), mtime=0))


def sample_rows(rows: int, seed: int) -> list[dict[str, Any]]:
    """Return raw rows. About one in 25 has no title or content, one in 30 is a duplicate, one in 12 a near duplicate."""
    rng = random.Random(seed)  # noqa: S311 - test data, not a secret
    raw: list[dict[str, Any]] = []
    originals: list[tuple[str, str]] = []
    for number in range(rows):
        if originals and rng.randrange(_DUPLICATE_EVERY) == 0:
            title, content = rng.choice(originals)
        elif originals and rng.randrange(_NEAR_DUPLICATE_EVERY) == 0:
            title, content = _near_duplicate(rng, *rng.choice(originals))
        else:
            title, content = _product(rng)
            originals.append((title, content))
        if rng.randrange(_REJECTED_EVERY) == 0:
            title, content = rng.choice((("", content), (title, ""), (title, '""'), (title, "<p> </p>")))
        raw.append(
            {
                "uid": f"S{number:09d}",
                "title": _noisy_title(rng, title),
                "content": _noisy_content(rng, content),
                "target_ind": [],
                "target_rel": [],
            }
        )
    return raw


def _product(rng: random.Random) -> tuple[str, str]:
    category = rng.choice(_CATEGORIES)
    maker, material = rng.choice(_MAKERS), rng.choice(category.materials)
    colour, size = rng.choice(_COLOURS), rng.choice(category.sizes)
    model = f"{category.name[0]}{rng.randrange(100, 1000)}"
    title = f"{maker} {material} {category.name}, {size}, {colour} ({model})"
    sentences = [
        f"The {maker} {_lower_case(category.name)} is made of {_lower_case(material)} for {category.use}.",
        f"Size: {size}. Colour: {colour.lower()}.",
        *rng.sample(category.remarks, rng.randint(1, len(category.remarks))),
        *rng.sample(_CARE, rng.randint(0, 2)),
    ]
    return title, " ".join(sentences)


def _lower_case(name: str) -> str:
    """Return a name as inside a sentence: `Cat Bed` as `cat bed`, `USB-C Cable` as `USB-C cable`."""
    return " ".join(word if word[1:2].isupper() else word.lower() for word in name.split())


def _near_duplicate(rng: random.Random, title: str, content: str) -> tuple[str, str]:
    """Return title and content of the same product as another seller might list it."""
    title = title.replace(" (", " - ", 1).replace(")", "")
    return title, f"{content} {rng.choice(('New!', 'In stock.', 'Best price!'))}"


def _noisy_title(rng: random.Random, title: str) -> str:
    draw = rng.randrange(20)
    if draw == 0:
        return html.escape(title)
    if draw == 1:
        return f"{title}&#174;"
    if draw == 2:
        return f"  {title.replace(', ', ' ,')} ★"
    return title


def _noisy_content(rng: random.Random, content: str) -> str:
    """Return the content with the noise of a scraper, or in seven of ten cases unchanged."""
    sentences = content.split(". ")
    match rng.randrange(30):
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
