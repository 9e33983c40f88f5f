"""How every job runs: settings, signals and exit codes, logging, and the services of one machine."""
