"""What can be deleted: a whole catalogue, base model, matcher, run or batch. A part of one is an input of its other parts."""

import re
from dataclasses import dataclass

from jobs.process.errors import ConfigurationError
from jobs.process.settings import NAME_PATTERN
from jobs.process.suggestions import most_similar
from jobs.storage import layout
from jobs.storage.store import Store

WHOLE = "catalogue/NAME, models/NAME, matchers/NAME, runs/RUN or exports/BATCH"


@dataclass(frozen=True)
class Unit:
    """A folder of the store and a name in it. `folder` is one of `layout.FOLDERS`, and ends in a slash."""

    folder: str
    name: str

    @property
    def path(self) -> str:
        """The path in the store, without a slash at the end."""
        return f"{self.folder}{self.name}"

    def contains(self, path: str) -> bool:
        """Return whether the path of an artifact is that of the unit, or below it."""
        return path == self.path or path.startswith(f"{self.path}/")


def parse(store: Store, path: str) -> Unit:
    """Return the unit at a path, or at a full address in the store. It may not exist.

    Errors: `ConfigurationError` (78) for a path of a part, of several units, or of another store.
    """
    relative = store.relative(path)
    folder, _, rest = relative.partition("/")
    name, _, below = rest.partition("/")
    unit = Unit(f"{folder}/", name)
    if unit.folder not in layout.FOLDERS or not re.fullmatch(NAME_PATTERN, name):
        raise ConfigurationError(f"--path {path}: expected {WHOLE}{_such_as(store, relative)}")
    if below:
        raise ConfigurationError(
            f"--path {path} is a part of {unit.path}: only the whole can be deleted, --path {unit.path}"
        )
    return unit


def not_found(store: Store, unit: Unit) -> ConfigurationError:
    """Return the error for a unit that does not exist, which names similar ones."""
    return ConfigurationError(
        f"there is nothing at {store.at(unit.path)}: set --path to {WHOLE}{_such_as(store, unit.path)}"
    )


def _such_as(store: Store, path: str) -> str:
    folders = [f"{folder}{name}" for folder in layout.FOLDERS for name in store.folders(folder)]
    nearest = most_similar(path, (folder for folder in folders if store.has_objects(f"{folder}/")))
    return f", such as {', '.join(nearest)}" if nearest else ""
