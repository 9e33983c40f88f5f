"""The lines of `status` about the index in Postgres."""

from collections.abc import Iterator

from jobs.database import connection
from jobs.process.errors import JobError


def lines() -> Iterator[str]:
    """Yield one line per indexed catalogue, or one that says why Postgres cannot be queried."""
    try:
        with connection.session(read_only=True) as session:
            rows = session.execute(connection.statement("index_status")).fetchall()
    except JobError as error:
        yield f"Postgres: {error}"
        return
    for catalogue, count, recall, size, built in rows:
        yield f"index {catalogue}  {count:,} rows  recall@10 {recall:.3f}  {size / 1e6:,.1f} MB  built {built:%Y-%m-%d %H:%M}"
