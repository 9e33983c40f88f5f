"""`python -m jobs JOB`: the same as `skuscribe JOB`."""

import sys

from jobs.cli import main

sys.exit(main())
