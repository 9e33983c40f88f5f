"""The invented products of the sample: the facts that a product can have, and the title and content that state them."""

import random
from dataclasses import dataclass

MAKERS = ("Alderney", "Brightwell", "Corrigan & Sons", "Dovetail", "Eastmoor", "Fernhill", "Greyfell", "Harbrook")
COLOURS = ("Black", "White", "Navy Blue", "Forest Green", "Red", "Sand", "Slate Grey", "Mustard Yellow")
CARE = (
    "Wipe clean with a damp cloth.",
    "Ships in a plain box without plastic.",
    "Spare parts are available for ten years.",
    "Comes with a two-year guarantee.",
    "Made in small batches and checked by hand.",
)
OFFERS = ("New!", "In stock.", "Best price!")


@dataclass(frozen=True)
class Category:
    """A category of products: its name, materials, sizes and use, and remarks that may be part of a content."""

    name: str
    materials: tuple[str, ...]
    sizes: tuple[str, ...]
    use: str
    remarks: tuple[str, ...]


CATEGORIES = (
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
        ("HSS", "Cobalt", "Titanium"),
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
        ("Nylon", "Silicone", "Aramid"),
        ("1 m", "2 m", "3 m"),
        "phones, tablets and laptops",
        ("Charges at up to 100W.", "Moves data at 10 Gbit/s.", "Tested for 20,000 bends."),
    ),
    Category(
        "Puzzle",
        ("Birch", "Cardboard", "Cork"),
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


def product(rng: random.Random) -> tuple[str, str]:
    """Return the title and the content of a new product."""
    category = rng.choice(CATEGORIES)
    maker, material = rng.choice(MAKERS), rng.choice(category.materials)
    colour, size = rng.choice(COLOURS), rng.choice(category.sizes)
    model = f"{category.name[0]}{rng.randrange(100, 1000)}"
    title = f"{maker} {material} {category.name}, {size}, {colour} ({model})"
    sentences = [
        f"The {maker} {lower_case(category.name)} is made of {lower_case(material)} for {category.use}.",
        f"Size: {size}. Colour: {colour.lower()}.",
        *rng.sample(category.remarks, rng.randint(1, len(category.remarks))),
        *rng.sample(CARE, rng.randint(0, 2)),
    ]
    return title, " ".join(sentences)


def lower_case(name: str) -> str:
    """Return a name as inside a sentence: `Cat Bed` as `cat bed`, `USB-C Cable` as `USB-C cable`."""
    return " ".join(word if word[1:2].isupper() else word.lower() for word in name.split())
