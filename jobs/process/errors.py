"""The ways a job can end other than well, each with the exit code that the cluster acts on.

A message says what was expected, what was found, where, and what to do. Anything that is not a `JobError` is a defect
of ours: it ends with a traceback and exit code 1.
"""

from typing import ClassVar


class JobError(Exception):
    """A job cannot go on. Raise one of the children: the child decides the exit code."""

    exit_code: ClassVar[int] = 1


class InputError(JobError):
    """An input is bad and stays bad: the cluster fails the index and does not retry."""

    exit_code = 65


class NotReadyError(JobError):
    """An input or a service is not there yet: the cluster retries with growing pauses."""

    exit_code = 75


class ConfigurationError(JobError):
    """A setting is wrong: the cluster fails the Job at once."""

    exit_code = 78


class Interrupted(BaseException):  # not an Exception: a library that catches those must not go on for it
    """A signal asked the process to end. What was saved stands; the same command goes on from there."""

    exit_code: ClassVar[int] = 143
