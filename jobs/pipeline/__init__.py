"""The job `pipeline`: the Jobs of a release, launched in order and watched."""
