"""Store a base model, verified, for every other job to start from.

Reads a model of the Hugging Face hub, a folder, an s3:// prefix, or nothing: `tiny` is built on the spot.
Writes models/NAME: configuration, safetensors weights, tokenizer. Pickled weights are never taken.
Try: skuscribe fetch-model --source tiny --tokenizer folder/of/flan-t5
"""

import errno
import hashlib
import re
import shutil
import time
from pathlib import Path
from typing import Any

from jobs.fetch_model.settings import TINY, Settings
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage import artifact, catalogue, layout
from jobs.storage.store import Store, StoredObject, file_sha256
from jobs.t5 import models, tiny
from jobs.t5.files import TOKENIZER_FILE, check_files, copy_tokenizer

WANTED = ("*.json", "*.safetensors")
TOKENIZER_TEXTS = 40_000  # enough for a few thousand pieces, and a second's work


def run(settings: Settings) -> None:
    """Fetch, verify, store. Errors: 65 no sound T5, 75 hub or catalogue not reachable, 78 no such source."""
    store, path = Store(settings.store), layout.model_path(settings.model)
    with folders.temporary_folder() as work:
        inputs, decisive = _inputs(settings, store, work), _decisive(settings)
        standing = artifact.done(store, path, decisive, inputs)
        if standing:
            log.info("already done", artifact=store.at(path), parameters=standing.manifest.figures["parameters"])
            return
        started, folder = time.monotonic(), work / "model"
        _gather(settings, store, work, folder)
        figures = _verify(folder) | {"source": settings.source}
        with artifact.draft(store, path, layout.Kind.MODEL, decisive, inputs) as draft:
            draft.add_folder(folder)
            draft.commit(figures | {"seconds": round(time.monotonic() - started, 1)})
    log.info("model stored", artifact=store.at(path), **figures)


def _decisive(settings: Settings) -> dict[str, Any]:
    """The settings that decide the result; of a folder or an s3:// prefix the files do, wherever they lie."""
    if settings.source.startswith("s3://") or _looks_like_folder(settings.source):
        return {}
    if settings.source != TINY:
        return {"source": settings.source, "revision": settings.revision}
    return settings.model_dump(include={"source", "tiny_width", "tiny_layers", "seed"}) | (
        {} if settings.tokenizer else {"tiny_vocabulary": settings.tiny_vocabulary}
    )


def _inputs(settings: Settings, store: Store, work: Path) -> dict[str, str]:
    """The digests of what the model is made from."""
    source = settings.source
    if source.startswith("s3://"):
        found = [[item.key, item.size, item.etag] for item in _objects_at(Store(source), WANTED)]
        return {"objects": artifact.digest_of(found)}
    if source != TINY and _looks_like_folder(source):
        files = _files_in(Path(source).expanduser())
        return {"files": artifact.digest_of([[path.name, file_sha256(path)] for path in files])}
    if source != TINY:
        return {}
    if not settings.tokenizer:
        return {"catalogue": catalogue.require(store, settings.catalogue).digest}
    _gather_tokenizer(settings.tokenizer, work / "tokenizer")
    data = (work / "tokenizer" / TOKENIZER_FILE).read_bytes()
    return {"tokenizer": hashlib.sha256(data).hexdigest()}


def _gather(settings: Settings, store: Store, work: Path, folder: Path) -> None:
    """Put the model's files into `folder`."""
    source = settings.source
    if source == TINY:
        if not settings.tokenizer:
            _learn_tokenizer(settings, store, work)
        tiny.build(folder, work / "tokenizer", settings.tiny_width, settings.tiny_layers, settings.seed)
    elif source.startswith("s3://"):
        _from_s3(source, folder, WANTED)
    elif _looks_like_folder(source):
        _from_folder(Path(source).expanduser(), folder)
    else:
        _from_hub(source, settings.revision, folder)


def _looks_like_folder(source: str) -> bool:
    return source.startswith(("/", ".", "~")) or Path(source).is_dir() or source.count("/") > 1


def _files_in(source: Path) -> list[Path]:
    """A model's files in a folder. Errors: 78 where there is no such folder, 65 where it holds no T5."""
    if not source.is_dir():
        raise ConfigurationError(f"--source: there is no folder {source}: correct it, or name a model of the hub")
    check_files(source)
    return sorted(path for pattern in WANTED for path in source.glob(pattern))


def _from_folder(source: Path, folder: Path) -> None:
    folder.mkdir()
    for path in _files_in(source):
        shutil.copyfile(path, folder / path.name)


def _from_s3(source: str, folder: Path, wanted: tuple[str, ...]) -> None:
    """Download the objects directly below an s3:// prefix whose names are wanted."""
    place = Store(source)
    folder.mkdir(exist_ok=True)
    for item in _objects_at(place, wanted):
        place.download(item.key, folder / item.key)


def _objects_at(place: Store, wanted: tuple[str, ...]) -> list[StoredObject]:
    """The objects directly below a prefix whose names are wanted. Errors: `ConfigurationError` where there are none."""
    suffixes = {Path(name).suffix for name in wanted}
    found = [item for item in place.objects("") if "/" not in item.key and Path(item.key).suffix in suffixes]
    if not found:
        raise ConfigurationError(
            f"{place.url} holds no {' or '.join(wanted)}: correct the address, or upload the model there"
        )
    return found


def _from_hub(source: str, revision: str, folder: Path) -> None:
    """Download a model of the hub. Errors: 78 where there is none of this name, 75 where the hub is not reachable."""
    import os

    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import errors, snapshot_download

    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", source):
        raise ConfigurationError(
            f"--source {source!r} is no folder here and no name of a model of the hub (OWNER/NAME)"
        )
    log.info("downloading", source=source, revision=revision)
    try:
        snapshot_download(
            source, revision=revision, local_dir=folder, allow_patterns=list(WANTED), ignore_patterns=["*/*"],
            endpoint=os.environ.get("HF_ENDPOINT"),
        )  # fmt: skip
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise ConfigurationError(
            f"the hub has no model {source!r} at revision {revision!r} that these credentials may read, and there is no "
            "folder of this name: correct --source, or set HF_TOKEN"
        ) from error
    except Exception as error:
        of_the_way = isinstance(error, OSError | errors.HfHubHTTPError) or type(error).__module__.startswith("httpx")
        if not of_the_way or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
            raise
        raise NotReadyError(
            f"the hub cannot be reached for {source!r} ({type(error).__name__}): try again later, or give --source a folder "
            "or s3:// prefix that holds the model"
        ) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def _gather_tokenizer(source: str, folder: Path) -> None:
    """Put a tokenizer's files into `folder`."""
    if source.startswith("s3://"):
        _from_s3(source, folder, ("*.json",))
    elif Path(source).expanduser().is_dir():
        copy_tokenizer(Path(source).expanduser(), folder)
    else:
        raise ConfigurationError(f"--tokenizer: there is no folder {source}: correct it, or leave it out")
    if not (folder / TOKENIZER_FILE).is_file():
        raise InputError(
            f"{source} has no {TOKENIZER_FILE}: save its tokenizer as a fast one, then try again"
        )


def _learn_tokenizer(settings: Settings, store: Store, work: Path) -> None:
    """Learn a vocabulary from the titles and contents of the catalogue's first shards."""
    products, texts = catalogue.require(store, settings.catalogue), []
    for shard in range(products.shards):
        table = products.read_shard(shard, work)
        texts += table["title"].to_pylist() + table["content"].to_pylist()
        if len(texts) >= TOKENIZER_TEXTS:
            break
    tiny.train_tokenizer(texts[:TOKENIZER_TEXTS], work / "tokenizer", settings.tiny_vocabulary)


def _verify(folder: Path) -> dict[str, Any]:
    """Load what was gathered as it will be loaded, and return its figures. Errors: `InputError` where it is not sound."""
    model, tokenizer = models.load(folder), models.load_tokenizer(folder)
    if len(tokenizer) > model.config.vocab_size:
        raise InputError(
            f"the tokenizer has {len(tokenizer):,} pieces, the model room for {model.config.vocab_size:,}: they do not belong together"
        )
    if not (folder / "generation_config.json").is_file():
        model.generation_config.save_pretrained(folder)
    return {"parameters": models.count_parameters(model), "vocabulary": len(tokenizer)}
