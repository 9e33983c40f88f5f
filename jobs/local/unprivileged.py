"""Run a program without root's user id, because Postgres refuses to run as root.

In a user namespace, root appears as the account `nobody`: inside, the process is not root; outside, its files belong to root,
so that no permission has to change. If the container forbids namespaces, the process runs as `nobody` itself. No account is
created.
"""

import ctypes
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.process.errors import ConfigurationError

ACCOUNT = "nobody"
CLONE_NEWUSER = 0x10000000  # from <linux/sched.h>; os.unshare() needs Python 3.12


@dataclass(frozen=True)
class User:
    """How to start a process that is not root. `uid` and `gid` own its files, as other processes see them."""

    uid: int
    gid: int
    popen_arguments: Mapping[str, Any]

    def can_run(self, *command: str | Path) -> bool:
        """Whether this command runs as the user and succeeds."""
        try:
            ended = subprocess.run(command, capture_output=True, check=False, **self.popen_arguments)
        except (OSError, subprocess.SubprocessError):  # no permission for the program, the namespace or the account
            return False
        return ended.returncode == 0

    def can_write_to(self, folder: Path) -> bool:
        """Whether the user can enter this folder and create files in it."""
        return self.can_run("sh", "-c", 'test -x "$1" && test -w "$1"', "sh", folder)


def user_for(program: Path) -> User | None:
    """Return the user to run `program` as, or None if this process is not root and can run it itself.

    Errors: `ConfigurationError` (78) if root cannot run it as another user.
    """
    if os.geteuid() != 0:
        return None
    for user in _candidates():
        if user.can_run(program, "--version"):
            return user
    raise ConfigurationError(
        f"Postgres refuses to run as root, this system allows no user namespace, and the account {ACCOUNT} cannot run "
        f"{program}: run the command as an ordinary user, or the container with another user than root"
    )


def _candidates() -> Iterator[User]:
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:  # initdb needs the name of its user
        return
    if sys.platform == "linux":
        namespace = _Namespace(account.pw_uid, account.pw_gid)
        yield User(os.geteuid(), os.getegid(), {"preexec_fn": namespace.enter})
    identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    yield User(account.pw_uid, account.pw_gid, identity)


@dataclass(frozen=True)
class _Namespace:
    """A user namespace in which our own user and group appear as `uid` and `gid`."""

    uid: int
    gid: int

    def enter(self) -> None:
        """Move this process into a new namespace. Runs in the child, between fork and exec."""
        uid, gid = os.geteuid(), os.getegid()
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
            raise OSError(ctypes.get_errno(), "unshare")
        Path("/proc/self/setgroups").write_text("deny")  # the kernel requires it before gid_map
        Path("/proc/self/uid_map").write_text(f"{self.uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{self.gid} {gid} 1")
