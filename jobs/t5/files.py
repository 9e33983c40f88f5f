"""The files of a T5 folder: names, a check before anything is loaded, and a copy of the tokenizer. Needs no torch."""

import json
import shutil
from pathlib import Path

from jobs.process.errors import ConfigurationError, InputError
from jobs.process.secrets import without_secrets

TINY = "tiny"
"""The source of a base model that is none of the hub or a folder: a small random T5 is built."""

CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_FILES = (TOKENIZER_FILE, "tokenizer_config.json", "special_tokens_map.json")
_PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")


def looks_like_folder(source: str) -> bool:
    """Return whether a source is a path: it exists, starts like one, or has more parts than a name on the hub. `TINY` is none."""
    if source == TINY:
        return False
    return source.startswith(("/", ".", "~")) or Path(source).is_dir() or source.count("/") > 1


def expanded(path: str, flag: str) -> Path:
    """Return a path with the home folder in place of `~`. Errors: `ConfigurationError` (78) if `~USER` has none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(
            f"{flag}: {without_secrets(path)} begins with the home folder of a user that does not exist: correct the path"
        ) from error


def check_folder(path: Path) -> None:
    """Check that --source names a folder with a T5. Errors: `ConfigurationError` (78) if there is no such folder, `InputError` (65)."""
    if not path.is_dir():
        raise ConfigurationError(
            f"--source: there is no folder {without_secrets(str(path))}: correct the path, or give the name of a model of the hub"
        )
    check_files(path)


def check_files(folder: Path) -> None:
    """Check that a folder has the configuration of a T5 and weights in safetensors. Errors: `InputError` (65)."""
    try:
        model_type = json.loads((folder / CONFIG_FILE).read_text()).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"{folder} has no readable {CONFIG_FILE} ({first_line(error)}): give the folder of a saved model"
        ) from error
    if model_type != "t5":
        raise InputError(f"{folder} has a model of type {model_type!r}, expected 't5', such as any size of FLAN-T5")
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLE_SUFFIXES)
        found = f"only {', '.join(pickled)}, which can run code when it is loaded" if pickled else "no weights"
        raise InputError(
            f"{folder} has {found}; expected *.safetensors: save the model with save_pretrained() of transformers"
        )


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer files that `source` has to `target`, which is created if needed."""
    target.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, at most 300 characters, or the name of its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
