"""Root starts Postgres without a new account and without changing anything outside the state folder.

The cases are those of a machine with user namespaces, of a container that forbids them, and of an ordinary user.
"""

import ctypes
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.local import services
from jobs.local.unprivileged import CLONE_NEWUSER, User, user_for
from jobs.process.errors import ConfigurationError
from tests.readme import ROOT

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs Postgres as itself"),
    pytest.mark.slow,
]

START_AND_STOP = """
import sys
from pathlib import Path
import psycopg
from jobs.local import postgres
from jobs.local.server import HOST, Server, free_ports
from jobs.process import lifecycle

def start_and_stop():
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    server, [port] = Server("postgres", folder / "postgres"), free_ports(1)
    try:
        postgres.start(server, port, "secret", {"owner": "password"})
        with psycopg.connect(host=HOST, port=port, dbname="skuscribe", user="owner", password="password") as connection:
            print(*connection.execute("SELECT current_user").fetchone())
    finally:
        server.stop()

sys.exit(lifecycle.run_to_exit_code(start_and_stop))
"""
NAMESPACES_FORBIDDEN = """
read -r mapped
exec sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"' sh "$@"
"""
"""Run a command in a user namespace where root is root, and where the kernel allows no further user namespace."""

NOBODY = pwd.getpwnam("nobody").pw_uid
EARLIER_ACCOUNT = 12345


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that only root can enter, in one that everybody can."""
    with tempfile.TemporaryDirectory(prefix="skuscribe-root-") as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "closed"
        folder.mkdir(mode=0o700)
        yield folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can enter."""
    with tempfile.TemporaryDirectory(prefix="skuscribe-open-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def start_and_stop(state: Path, temporary: Path, *, namespaces: bool) -> "subprocess.CompletedProcess[str]":
    """Start and stop Postgres as root, with or without user namespaces."""
    command = [sys.executable, "-c", START_AND_STOP, str(state)]
    variables = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    if namespaces or not allows_namespaces():
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    process = subprocess.Popen(
        ["sh", "-c", NAMESPACES_FORBIDDEN, "sh", *command], env=variables, text=True, preexec_fn=enter_namespace,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    for name in ("uid_map", "gid_map"):
        ranges = [line.split() for line in Path("/proc/self", name).read_text().splitlines()]
        same = "\n".join(f"{inside} {inside} {count}" for inside, _, count in ranges)
        Path("/proc", str(process.pid), name).write_text(same)
    out, errors = process.communicate("mapped\n", timeout=120)
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def enter_namespace() -> None:
    assert ctypes.CDLL(None).unshare(CLONE_NEWUSER) == 0


def allows_namespaces() -> bool:
    try:
        return subprocess.run(["true"], preexec_fn=enter_namespace, check=False).returncode == 0
    except subprocess.SubprocessError:
        return False


def permissions(folder: Path) -> dict[str, tuple[int, int, int] | bytes]:
    """Mode and owner of a folder and of all above it, and the accounts of the system."""
    found: dict[str, tuple[int, int, int] | bytes] = {}
    for path in (folder, *folder.parents):
        status = path.stat()
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid)
    return found | {name: Path(name).read_bytes() for name in ("/etc/passwd", "/etc/group", "/etc/shadow")}


@pytest.mark.skipif(not allows_namespaces(), reason="this system forbids user namespaces")
def test_with_namespaces_nothing_but_the_state_folder_changes_and_root_owns_it(closed: Path, open_folder: Path) -> None:
    before = permissions(closed), permissions(open_folder)
    ended = start_and_stop(closed / "state", open_folder, namespaces=True)
    assert (ended.returncode, ended.stdout) == (0, "owner\n"), ended.stderr
    assert (permissions(closed), permissions(open_folder)) == before
    assert [path.name for path in closed.iterdir()] == ["state"]
    assert list(open_folder.iterdir()) == []
    data = closed / "state" / "postgres" / "data"
    assert not data.is_symlink()
    assert {path.stat().st_uid for path in (data, *data.rglob("*"))} == {0}


def test_without_namespaces_a_reachable_state_folder_holds_the_data_of_nobody(
    open_folder: Path, tmp_path: Path
) -> None:
    before = permissions(open_folder)
    ended = start_and_stop(open_folder / "state", tmp_path, namespaces=False)
    assert (ended.returncode, ended.stdout) == (0, "owner\n"), ended.stderr
    assert permissions(open_folder) == before
    assert list(tmp_path.iterdir()) == []
    data = open_folder / "state" / "postgres" / "data"
    assert not data.is_symlink()
    assert (data.stat().st_uid, stat.S_IMODE(data.stat().st_mode)) == (NOBODY, 0o700)


def test_without_namespaces_data_that_nobody_cannot_reach_is_in_one_temporary_folder(
    closed: Path, open_folder: Path
) -> None:
    state = closed / "state"
    before = permissions(closed), permissions(open_folder)
    ended = start_and_stop(state, open_folder, namespaces=False)
    assert (ended.returncode, ended.stdout) == (0, "owner\n"), ended.stderr
    assert "Postgres cannot reach the state folder" in ended.stderr
    assert (permissions(closed), permissions(open_folder)) == before
    [temporary] = open_folder.iterdir()
    assert (temporary.stat().st_uid, stat.S_IMODE(temporary.stat().st_mode)) == (NOBODY, 0o700)
    system = database_system(temporary / "data")
    ended = start_and_stop(state, open_folder, namespaces=True)
    assert ended.returncode == 0, ended.stderr
    assert list(open_folder.iterdir()) == [temporary]
    assert database_system(temporary / "data") == system
    assert temporary in services.remove(state)
    assert list(open_folder.iterdir()) == []
    assert not state.exists()


def test_data_made_with_namespaces_is_kept_without_them(closed: Path, open_folder: Path) -> None:
    state = closed / "state"
    assert start_and_stop(state, open_folder, namespaces=True).returncode == 0
    system = database_system(state / "postgres" / "data")
    ended = start_and_stop(state, open_folder, namespaces=False)
    assert ended.returncode == 0, ended.stderr
    assert database_system(state / "postgres" / "data") == system


@pytest.mark.parametrize("namespaces", [True, False])
def test_data_of_the_earlier_version_s_account_starts(open_folder: Path, tmp_path: Path, namespaces: bool) -> None:
    state = open_folder / "state"
    assert start_and_stop(state, tmp_path, namespaces=True).returncode == 0
    system = database_system(state / "postgres" / "data")
    for path in (state / "postgres", *(state / "postgres").rglob("*")):
        os.chown(path, EARLIER_ACCOUNT, EARLIER_ACCOUNT)
    ended = start_and_stop(state, tmp_path, namespaces=namespaces)
    assert (ended.returncode, ended.stdout) == (0, "owner\n"), ended.stderr
    assert database_system(state / "postgres" / "data") == system


def test_without_namespaces_and_without_a_reachable_folder_the_error_says_what_to_do(closed: Path) -> None:
    temporary = closed / "tmp"
    temporary.mkdir()
    ended = start_and_stop(closed / "state", temporary, namespaces=False)
    assert ended.returncode == 78, ended.stderr
    assert "run the command as an ordinary user, or set TMPDIR" in ended.stderr
    assert list(temporary.iterdir()) == []


def test_programs_that_only_root_can_reach_are_a_wrong_setting(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir(mode=0o700)
    program = Path(shutil.copy("/bin/true", folder / "program"))
    os.chown(folder, EARLIER_ACCOUNT, EARLIER_ACCOUNT)
    with pytest.raises(ConfigurationError, match=f"cannot run {program}: run the command as an ordinary user"):
        user_for(program)


@pytest.mark.skipif(not allows_namespaces(), reason="this system forbids user namespaces")
def test_an_ordinary_user_starts_postgres_as_itself(tmp_path: Path) -> None:
    user = user_for(Path("/bin/true"))
    assert isinstance(user, User)
    variables = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    script = f"import os; assert os.geteuid() == {NOBODY}" + START_AND_STOP
    command = [sys.executable, "-c", script, str(tmp_path / "state")]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, **user.popen_arguments)
    assert (ended.returncode, ended.stdout) == (0, "owner\n"), ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def database_system(data: Path) -> bytes:
    """The identifier that initdb gave to the database system: the first bytes of its control file."""
    return (data / "global" / "pg_control").read_bytes()[:8]
