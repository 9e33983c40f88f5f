"""The requirements of some extras of pyproject.toml, one a line, so that the image's layer of dependencies changes with them alone.

Try: python3 images/requirements.py prepare,train < pyproject.toml
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from typing import Any


def requirements(project: dict[str, Any], extras: list[str]) -> Iterator[str]:
    """Those of the project itself and of its extras; `skuscribe[model,metrics]` stands for two more extras."""
    yield from project["dependencies"]
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            own = re.fullmatch(rf"{project['name']}\[(.*)\]", line)
            yield from requirements(project, own[1].split(",")) if own else [line]


if __name__ == "__main__":
    wanted = requirements(tomllib.load(sys.stdin.buffer)["project"], sys.argv[1].split(","))
    print("\n".join(sorted(set(wanted))))
