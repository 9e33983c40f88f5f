"""Sentence encoders of the Hugging Face hub: the revision to use, and errors of the hub."""

from pathlib import Path

from huggingface_hub import HfApi, constants, errors, try_to_load_from_cache

from jobs.process import log
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.process.settings import without_secrets

TIMEOUT_SECONDS = 10.0
_HTTP_ERROR: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]  # of httpx or httpx2, by version
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
    except ValueError as error:
        raise ConfigurationError(
            f"the server that HF_ENDPOINT names ({without_secrets(constants.ENDPOINT)}) does not answer as a hub does "
            f"({type(error).__name__}): correct HF_ENDPOINT, or pass a folder as --encoder"
        ) from error
    except (_HTTP_ERROR, OSError) as error:
        status = _status(error)
        if status is not None and 400 <= status < 500 and status not in _TRY_AGAIN:
            raise ConfigurationError(
                f"the hub ({without_secrets(constants.ENDPOINT)}) answered {status} for --encoder {without_secrets(name)!r}: "
                "correct HF_TOKEN or HF_ENDPOINT, or pass a folder"
            ) from error
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
    while error is not None:
        if isinstance(error, errors.LocalEntryNotFoundError | ConnectionError):
            return True
        if isinstance(error, _HTTP_ERROR) and not isinstance(error, errors.RemoteEntryNotFoundError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that the hub answered, or None if it did not answer."""
    return error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None


def _repository(name: str) -> str:
    """Return OWNER/NAME. sentence-transformers reads a name without an owner as one of its own models."""
    return name if "/" in name else f"sentence-transformers/{name}"


def _cached_revision(repository: str) -> str | None:
    for file in _CACHED_FILES:
        path = try_to_load_from_cache(repository, file)
        if isinstance(path, str):
            return Path(path).parent.name  # .../snapshots/COMMIT/FILE
    return None
