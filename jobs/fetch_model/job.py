"""Store a base model, verified, for every other job to start from.

Reads the model's source: the hub, a folder, an s3:// prefix, or a catalogue to train the tiny model's tokenizer on.
Writes models/NAME.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from jobs.fetch_model.folder import Folder
from jobs.fetch_model.hub import Hub
from jobs.fetch_model.s3 import S3Prefix
from jobs.fetch_model.settings import Settings
from jobs.fetch_model.tiny import Tiny
from jobs.process import folders
from jobs.storage import artifact, layout
from jobs.storage.artifact import Draft, Spec
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from jobs.t5.files import TINY, expanded, looks_like_folder


class Provider(Protocol):
    """A source of models."""

    def config(self) -> dict[str, Any]:
        """Return the settings that determine the model."""

    def inputs(self) -> dict[str, str]:
        """Return the digests of the files that determine the model. Called before `fetch`."""

    def fetch(self, folder: Path) -> dict[str, Any]:
        """Write the model's files to `folder`. Returns figures about where they come from."""


def run(settings: Settings) -> None:
    """Fetch, verify and store the model, unless it exists.

    Errors: 65 if it is not a valid T5, 75 if its source is not available, 78 if there is no such source.
    """
    store = Store(settings.store)
    with folders.temporary_folder() as work:
        provider = _provider(settings, store, work)
        path = layout.model_path(settings.model)
        spec = Spec(store, path, Kind.MODEL, provider.config(), provider.inputs())

        def build(draft: Draft) -> Mapping[str, Any]:
            from jobs.fetch_model import verification  # noqa: PLC0415 - loads torch, not needed if the model exists

            started, folder = time.monotonic(), work / "model"
            origin = provider.fetch(folder)
            figures = verification.verify(folder) | {"source": settings.source} | origin
            draft.add_folder(folder)
            return figures | {"seconds": round(time.monotonic() - started, 1)}

        artifact.make_once(spec, build)


def _provider(settings: Settings, store: Store, work: Path) -> Provider:
    source = settings.source
    if source == TINY:
        return Tiny(
            width=settings.tiny_width,
            layers=settings.tiny_layers,
            seed=settings.seed,
            vocabulary=settings.tiny_vocabulary,
            tokenizer=settings.tokenizer,
            catalogue=settings.catalogue,
            store=store,
            work=work,
        )
    if source.startswith("s3://"):
        return S3Prefix(source)
    if looks_like_folder(source):
        return Folder(expanded(source, "--source"))
    return Hub(source, settings.revision)
