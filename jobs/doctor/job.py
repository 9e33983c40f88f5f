"""Check every service, model and resource that the jobs need.

Reads the environment; writes objects into S3 and deletes them. Prints one line per check.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jobs.doctor import checks, s3
from jobs.doctor.settings import Settings
from jobs.process.errors import ConfigurationError, JobError, NotReadyError
from jobs.t5 import gpu


@dataclass(frozen=True)
class Finding:
    """The result of one check. `exit_code` is 0 if it passed, else that of its error."""

    check: str
    text: str
    exit_code: int = 0


def run(settings: Settings) -> None:
    """Print the findings. Errors: `ConfigurationError` (78) if a setting is wrong, else `NotReadyError` (75) if a check fails."""
    findings = []
    for finding in examine(settings):
        findings.append(finding)
        print(f"{'FAIL' if finding.exit_code else 'ok  '}  {finding.check:<10}  {finding.text}", flush=True)
    failed = [finding for finding in findings if finding.exit_code]
    if failed:
        names = ", ".join(finding.check for finding in failed)
        message = f"{len(failed)} of {len(findings)} checks failed: {names}. Each line above says what to do"
        wrong_setting = any(finding.exit_code == ConfigurationError.exit_code for finding in failed)
        raise ConfigurationError(message) if wrong_setting else NotReadyError(message)


def examine(settings: Settings) -> Iterator[Finding]:
    """Run the checks one by one and yield the finding of each."""
    every_check: tuple[tuple[str, Callable[[], str]], ...] = (
        ("S3", lambda: s3.check(settings.store)),
        ("model", lambda: checks.base_models(settings.store)),
        ("Postgres", checks.postgres),
        ("encoder", lambda: checks.encoder(settings.encoder)),
        ("GPU", lambda: gpu.describe(required=settings.require_gpu)),
        ("disk", lambda: checks.disk(settings.minimum_disk)),
        ("memory", lambda: checks.memory(settings.minimum_memory)),
    )
    for name, check in every_check:
        try:
            yield Finding(name, check())
        except JobError as error:
            yield Finding(name, str(error), error.exit_code)
