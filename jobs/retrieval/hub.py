"""Models of the Hugging Face hub: the revision of an encoder to use, and errors of the hub as job errors."""

import os
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import HfApi, constants, errors, try_to_load_from_cache
from huggingface_hub.file_download import repo_folder_name

from jobs.process import log
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.process.folders import DISK_FULL
from jobs.process.secrets import without_secrets

TIMEOUT_SECONDS = 10.0
_HTTP_ERROR: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]  # of httpx or httpx2, by version
_NOT_FROM_A_HUB = (ValueError, KeyError)
"""What the client raises if an answer is not JSON, or lacks a field."""

CLIENT_ERRORS = (_HTTP_ERROR, OSError, *_NOT_FROM_A_HUB)
"""What the client raises, apart from its errors of a model that does not exist."""

_TRY_AGAIN = (408, 425, 429)  # HTTP statuses
_CACHED_FILES = ("modules.json", "config.json")  # every encoder has one of them


def revision(name: str) -> str:
    """Return the latest commit of a model: that on the hub, or that in the local cache if the hub cannot be reached.

    Errors: `ConfigurationError` (78) if the hub has no such model, refuses the credentials or is no hub, `NotReadyError` (75)
    if the hub cannot be reached and the model is not cached.
    """
    repository = _repository(name)
    try:
        commit = HfApi().model_info(repository, timeout=TIMEOUT_SECONDS).sha
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise ConfigurationError(
            f"--encoder {without_secrets(name)!r} is neither a folder nor a model of the hub that can be read with these "
            "credentials: correct the name, or set HF_TOKEN"
        ) from error
    except CLIENT_ERRORS as error:
        raise_unless_unreachable(error, "--encoder", name)
        commit = _cached_revision(repository)
        if commit is None:
            raise unreachable(name, error) from error
        log.info("hub not reached, cached encoder used", encoder=name, revision=commit)
    if commit is None:
        raise NotReadyError(f"the hub reports no revision of --encoder {name!r}: run again later")
    return commit


def unreachable(name: str, error: BaseException) -> NotReadyError:
    """Return the error of a model that could not be downloaded."""
    return NotReadyError(
        f"the hub cannot be reached for --encoder {without_secrets(name)!r} ({type(error).__name__}) and the model is not in the local cache: "
        "run again later, or pass a folder that holds the encoder"
    )


def is_unreachable(error: BaseException | None) -> bool:
    """Return whether an error, or an error that led to it, is one of the connection to the hub."""
    for link in _chain(error):
        if isinstance(link, errors.LocalEntryNotFoundError | ConnectionError):
            return True
        if isinstance(link, _HTTP_ERROR) and not isinstance(link, errors.RemoteEntryNotFoundError):
            return True
    return False


def raise_unless_unreachable(error: BaseException, flag: str, name: str) -> None:
    """Raise the job error of one of `CLIENT_ERRORS`, unless it is one of the connection, or a status that may change.

    `flag`: the setting of the model. Errors: `ConfigurationError` (78) if the hub refuses the model or is no hub, `OSError` if
    the disk is full.
    """
    if isinstance(error, _NOT_FROM_A_HUB):
        raise refused(error, flag, name) or _not_a_hub(error, flag) from error
    raise_if_disk_is_full(error)
    if refusal := refused(error, flag, name):
        raise refusal from error


def _not_a_hub(error: BaseException, flag: str) -> ConfigurationError:
    """Return the error of a server that answers something else than a hub does. `flag`: the setting of the model."""
    return ConfigurationError(
        f"the server that HF_ENDPOINT names ({_endpoint()}) does not answer as a hub does ({type(error).__name__}): correct "
        f"HF_ENDPOINT, or pass a folder as {flag}"
    )


def refused(error: BaseException, flag: str, name: str) -> ConfigurationError | None:
    """Return the error of a hub that refuses a model, such as with 401 or 403, or None if it may answer later."""
    status = _status(error)
    if status is None or not 400 <= status < 500 or status in _TRY_AGAIN:
        return None
    return ConfigurationError(
        f"the hub ({_endpoint()}) answered {status} for {flag} {without_secrets(name)!r}: correct HF_TOKEN or HF_ENDPOINT, or "
        "pass a folder"
    )


def raise_if_disk_is_full(error: BaseException) -> None:
    """Raise the `OSError` of a full disk that is, or led to, an error: it is neither one of the hub nor of a setting."""
    for link in _chain(error):
        if isinstance(link, OSError) and link.errno in DISK_FULL:
            raise OSError(link.errno, link.strerror, link.filename) from error


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that the hub answered for a model, or None if it did not answer."""
    for link in _chain(error):
        if isinstance(link, errors.HfHubHTTPError) and not isinstance(link, errors.RemoteEntryNotFoundError):
            return link.response.status_code
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and the errors that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _endpoint() -> str:
    return without_secrets(os.environ.get("HF_ENDPOINT") or constants.ENDPOINT)


def _repository(name: str) -> str:
    """Return OWNER/NAME. sentence-transformers reads a name without an owner as one of its own models."""
    return name if "/" in name else f"sentence-transformers/{name}"


def _cached_revision(repository: str) -> str | None:
    for file in _CACHED_FILES:
        path = try_to_load_from_cache(repository, file)
        if isinstance(path, str):
            return Path(path).parent.name  # .../snapshots/COMMIT/FILE
    # A download of a commit, as all of ours are, does not record which branch it is of.
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model") / "snapshots"
    snapshots = {path.parent for file in _CACHED_FILES for path in folder.glob(f"*/{file}")}
    return max(snapshots, key=lambda path: path.stat().st_mtime).name if snapshots else None
