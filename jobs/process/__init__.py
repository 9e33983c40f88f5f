"""How every job runs: settings, signals and exit codes, logging, work in parallel."""
