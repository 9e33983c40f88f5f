"""The lines of `status` about the index in Postgres."""

from collections.abc import Iterator

from jobs.database.connection import statement
from jobs.database.repeat import repeated
from jobs.process.errors import JobError


def lines() -> Iterator[str]:
    """Yield one line per indexed catalogue, or one that says why Postgres cannot be queried, which is no error of `status`."""
    try:
        query = statement("index_status")
        rows = repeated(lambda connection: connection.execute(query).fetchall(), read_only=True)
    except JobError as error:
        yield f"index  not known: {error}"
        return
    for catalogue, count, recall, size, built in rows:
        yield f"index {catalogue}  {count:,} rows  recall@10 {recall:.3f}  {size / 1e6:,.1f} MB  built {built:%Y-%m-%d %H:%M}"
