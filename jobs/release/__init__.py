"""A release on a Kubernetes cluster: its Jobs launched, followed and told of."""
