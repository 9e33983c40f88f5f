"""Errors that end a job, each with the exit code that the cluster acts on.

    JobError                  1    a defect
    ├── InputError           65    the input is bad: do not retry
    ├── NotReadyError        75    an input or a service is not available yet: retry
    └── ConfigurationError   78    a setting is wrong: fail at once
    Interrupted             143    a signal ended the process: run again to resume

A message states what was expected, what was found, where, and what to do. Any other exception is a defect: it ends with a
traceback and exit code 1.
"""

from typing import ClassVar


class JobError(Exception):
    """Base class of the errors that end a job. Raise one of the children, which sets the exit code."""

    exit_code: ClassVar[int] = 1


class InputError(JobError):
    """The input is bad. The cluster fails the index and does not retry."""

    exit_code = 65


class NotReadyError(JobError):
    """An input or a service is not available yet. The cluster retries with backoff."""

    exit_code = 75


class ConfigurationError(JobError):
    """A setting is wrong. The cluster fails the Job at once."""

    exit_code = 78


class Interrupted(BaseException):  # not an Exception: a library that catches Exception must not swallow it
    """A signal asked the process to end. Running the same command again resumes from the last checkpoint or artifact."""

    exit_code: ClassVar[int] = 143
