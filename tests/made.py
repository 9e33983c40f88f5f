"""What the steps of a release have made: artifacts, and rows in Postgres."""

from collections.abc import Iterable, Mapping

import psycopg

from jobs.storage import artifact
from jobs.storage.store import Store


def digests(store: Store, paths: Iterable[str]) -> dict[str, str]:
    """Return the digests of artifacts, and of their files: a failure shows which file differs."""
    found = {}
    for path in paths:
        made = artifact.find(store, path)
        assert made is not None
        found[path] = made.digest
        found |= {f"{path}/{name}": file.sha256 for name, file in made.manifest.files.items() if not file.measured}
    return found


def rows(variables: Mapping[str, str], statement: str) -> list[tuple[object, ...]]:
    """Run a statement as the owner of the database that these variables name. Returns its rows."""
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    address = psycopg.conninfo.make_conninfo("", **{key: variables[name] for key, name in names.items()})
    with psycopg.connect(address) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
