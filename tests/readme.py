"""The fenced blocks of the README: what its tests run, here and on a cluster."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Block:
    """One fenced block, and the line of the README that it begins at."""

    line: int
    language: str
    text: str


def blocks() -> list[Block]:
    """Every block, in order."""
    found, lines = [], (ROOT / "README.md").read_text().splitlines()
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines, 1):
        if line.startswith("```") and opened is None:
            opened = (number, line.removeprefix("```").strip())
        elif line.startswith("```") and opened is not None:
            found.append(Block(opened[0], opened[1], "\n".join(lines[opened[0] : number - 1])))
            opened = None
    assert opened is None, f"the block at line {opened} of the README is never closed"
    return found
