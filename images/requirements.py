"""Prints the requirements of extras of pyproject.toml, one per line.

Example: python3 images/requirements.py prepare,train < pyproject.toml
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from typing import Any


def requirements(project: dict[str, Any], extras: list[str]) -> Iterator[str]:
    """Yield the requirements of the project and of these extras. An entry `skuscribe[model,metrics]` refers to more extras."""
    yield from project["dependencies"]
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            nested = re.fullmatch(rf"{project['name']}\[(.*)\]", line)
            yield from requirements(project, nested[1].split(",")) if nested else [line]


if __name__ == "__main__":
    lines = requirements(tomllib.load(sys.stdin.buffer)["project"], sys.argv[1].split(","))
    print("\n".join(sorted(set(lines))))
