"""The checker that the settings of a job describe: with a matcher from the store, or with words only."""

from jobs.process import folders, log
from jobs.quality import matcher
from jobs.quality.checks import Checker
from jobs.quality.settings import DEFAULT_NUMBER_SUPPORT, EVIDENCE_NEIGHBOURS
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact
from jobs.storage.layout import Kind
from jobs.storage.store import Store


def support_config(number_support: int) -> dict[str, int]:
    """Return the setting as part of a config. Results without it are those of the default of their version, which was 1 before 5."""
    return {} if number_support == DEFAULT_NUMBER_SUPPORT else {"number_support": number_support}


def searched_neighbours(in_prompt: int, *, words_only: bool) -> int:
    """Return how many nearest products a title needs: those in its prompt and, unless texts are checked by their words only, the evidence."""
    return in_prompt if words_only else max(in_prompt, EVIDENCE_NEIGHBOURS)


def find_matcher(store: Store, name: str, *, words_only: bool) -> Artifact | None:
    """Return the artifact of a matcher, None with `words_only`. Errors: `NotReadyError` (75) if there is none of this name."""
    if words_only:
        return None
    return artifact.require(store, layout.matcher_path(name), Kind.MATCHER, f"match --matcher {name}")


def load_checker(matcher_artifact: Artifact | None, publish_from: float | None, number_support: int) -> Checker:
    """Return the checker with a matcher, or with words only. `publish_from`: None for the threshold that the matcher recommends."""
    if matcher_artifact is None:
        log.warning("texts are checked by their words only")
        return Checker(number_support=number_support)
    with folders.temporary_folder() as folder:
        loaded = matcher.load(matcher_artifact.fetch_all(folder))
    if not loaded.is_calibrated:
        log.warning(
            "the matcher is not calibrated: texts are checked by their words only", matcher=matcher_artifact.path
        )
    return Checker(loaded, loaded.calibration.publish_from if publish_from is None else publish_from, number_support)
