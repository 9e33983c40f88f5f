"""The job `pipeline`: creates the Jobs of a release on a Kubernetes cluster in order."""
