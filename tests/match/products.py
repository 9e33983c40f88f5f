"""Products of the generated sample to learn from, with the products that share most words as their nearest ones."""

from jobs.match.products import LearningProduct
from jobs.quality.terms import terms
from jobs.sample.rows import sample_rows
from jobs.text import cleaning

NEAREST = 4


def learning_products(count: int, seed: int) -> list[LearningProduct]:
    """Return products whose contents repeat the facts of their titles."""
    cleaned = {
        cleaning.clean(row["title"], "catalogue"): cleaning.clean(row["content"], "catalogue")
        for row in sample_rows(2 * count, seed)
    }
    pairs = [(title, content) for title, content in cleaned.items() if title and content][:count]
    words = [set(terms(title)) for title, _ in pairs]
    products = []
    for number, (title, content) in enumerate(pairs):
        by_overlap = sorted(range(len(pairs)), key=lambda other: -len(words[number] & words[other]))
        nearest = [pairs[other] for other in by_overlap if pairs[other][1] != content][:NEAREST]
        products.append(
            LearningProduct(
                f"S{number}",
                title,
                content,
                number,
                tuple(near[0] for near in nearest),
                tuple(near[1] for near in nearest),
            )
        )
    return products
