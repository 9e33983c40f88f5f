"""The environment variables that a job, boto3 or libpq reads."""

import os
from collections.abc import Mapping

import pytest

PREFIXES = ("SKUSCRIBE_", "AWS_", "PG")


def set_only(patch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    """Set these variables, and unset all others that a job, boto3 or libpq reads."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        patch.delenv(name)
    for name, value in variables.items():
        patch.setenv(name, value)
