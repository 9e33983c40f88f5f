"""Batches of generated descriptions, written to Postgres as `describe` writes them."""

from collections.abc import Sequence

from jobs.database.connection import session
from jobs.database.migrations import migrate
from jobs.describe import batch
from jobs.describe.exports import Description
from tests.factories import product

HOSTILE = '</script x <!-- <script </script><script>document.title="run"</script><img src=x onerror=alert(1)> & "quoted" \u2028 灯 😀'
REASONS = ((), ("off-title",), ("contradicts",), (), ("copied", "short"), (), ("off-title", "copied"), ())
"""The flags of the descriptions in turn: half of them are published."""


def description(number: int, flags: tuple[str, ...] | None = None) -> Description:
    """Return the description of this number, always the same one."""
    made = product(number, "test")
    given = REASONS[number % len(REASONS)] if flags is None else flags
    return Description(
        uid=made.uid, title=made.title, description=made.content, flags=given, published=not given,
        neighbours=(product(number + 1, "train").uid,), neighbour_similarities=(0.9,), repetition=0.0, grounding=1.0,
        copying=0.1, length_words=9, ended=True, model_digest="0" * 64,
        probability=round(0.2 + 0.75 * (not given) + number % 50 / 1000, 3),
        evidence={flag: f"what {flag} is given for" for flag in given},
    )  # fmt: skip


def write(rows: Sequence[Description], name: str = "main") -> None:
    """Write a batch of the catalogue `main` to Postgres."""
    with session() as connection:
        migrate(connection)
    batch.write_rows(rows, name, "main")
