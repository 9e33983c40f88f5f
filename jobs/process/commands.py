"""The commands that messages name: `skuscribe STEP` on one machine, a Job of the release on a cluster."""

import os
import re
from collections.abc import Mapping

PREFIX_VARIABLE, NAMESPACE_VARIABLE = "CRONJOB_PREFIX", "CRONJOB_NAMESPACE"
"""The variables that the chart sets to the prefix of the names of a release's CronJobs, and to their namespace."""

_COMMAND = re.compile(r"`skuscribe (prepare|fetch-model|index|match|train|evaluate|describe|report)([^`]*)`")


def in_this_place(message: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a message that names commands which exist here: in a pod of a release, those that start a step's Job again."""
    prefix, namespace = environment.get(PREFIX_VARIABLE), environment.get(NAMESPACE_VARIABLE)
    if not (prefix and namespace):
        return message

    def of_the_release(found: re.Match[str]) -> str:
        step, flags = found[1], found[2]
        if step == "index":  # `build` embeds what is missing
            step = "embed" if "--phase embed" in flags else "build"
        return f"`kubectl -n {namespace} create job --from=cronjob/{prefix}-{step} {step}-$(date +%s)`"

    return _COMMAND.sub(of_the_release, message)
