"""Environment variables with the prefix of the settings that no command declares, such as a mistyped one."""

import os
from collections.abc import Iterable, Mapping, MutableMapping

from jobs.process import log
from jobs.process.settings import PREFIX, Settings, variables
from jobs.process.suggestions import most_similar

_OTHERS = {f"{PREFIX}{name}" for name in ("TERMINATION_LOG", "READER", "READER_PASSWORD", "IMAGE")}
"""What is no setting: the pod's termination log, the reading role of the local Postgres, and the image of the cluster tests."""


def discard(kinds: Iterable[type[Settings]], environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove each variable that none of `kinds` declares, with a warning that names the most similar one that is declared.

    The processes that this one starts do not warn again.
    `kinds`: the settings of all commands, because the jobs of a release share an environment. It is read only until every
    variable is known. As in the settings, upper and lower case are the same, and an empty variable counts as unset.
    """
    services = _prefixes_of_services(environment)
    names = [name for name, value in environment.items() if value and not name.startswith(services)]
    unknown = {name for name in names if name.upper().startswith(PREFIX) and name.upper() not in _OTHERS}
    declared, remaining = set[str](), iter(kinds)
    while unknown and (kind := next(remaining, None)) is not None:
        declared |= {each for name, field in kind.model_fields.items() for each in variables(name, field)}
        unknown = {name for name in unknown if name.upper() not in declared}
    for name in sorted(unknown):
        nearest = most_similar(name.upper(), sorted(declared))
        log.warning("unknown environment variable", name=name, most_similar=next(iter(nearest), None))
        del environment[name]


def _prefixes_of_services(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return how the variables begin that Kubernetes sets for Services: SKUSCRIBE_DB_PORT_5432_TCP for one named skuscribe-db."""
    services = [name.removesuffix("_SERVICE_HOST") for name in environment if name.endswith("_SERVICE_HOST")]
    return tuple(f"{service}{part}" for service in services for part in ("_SERVICE_", "_PORT"))
