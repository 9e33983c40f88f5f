"""The settings of all steps, checked before the first one is launched: a job refuses its own only after hours of other jobs."""

from collections.abc import Iterable
from importlib import import_module

from jobs import steps
from jobs.pipeline.launch import Template
from jobs.process import command_line
from jobs.process.errors import ConfigurationError
from jobs.process.settings import PREFIX


def check(templates: Iterable[Template]) -> None:
    """Check the settings in the templates of steps.

    A step with a setting from a Secret, or from another variable (`$(NAME)`), is not checked, because rules about several settings
    need all of them.
    Errors: `ConfigurationError` (78) naming every wrong setting of every step.
    """
    problems = [f"step {template.step}: {problem}" for template in templates if (problem := _problem(template))]
    if problems:
        raise ConfigurationError(". ".join(problems))


def _problem(template: Template) -> str | None:
    """Return what is wrong with the settings of a step, None if nothing is."""
    container = template.content["spec"]["template"]["spec"]["containers"][0]
    own = [entry for entry in container.get("env", []) if entry["name"].startswith(PREFIX)]
    if container.get("envFrom") or any("valueFrom" in entry or "$(" in entry.get("value", "") for entry in own):
        return None
    command = steps.by_name(template.step).command
    declared = import_module(f"jobs.{command.replace('-', '_')}.settings").Settings
    try:
        command_line.check(declared, {entry["name"]: entry.get("value", "") for entry in own})
    except ConfigurationError as error:
        return str(error)
    return None
