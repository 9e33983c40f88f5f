"""The commands `local` and `services`: all jobs on one machine, with local Postgres and S3 servers."""
