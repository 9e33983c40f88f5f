"""The data folder of the local Postgres, and its owner.

The data is in `FOLDER/data`. If root starts Postgres as a user who cannot access FOLDER, because other users cannot enter one of
its parent folders, the data is in the system's temporary directory, and `FOLDER/data` is a link to it.
"""

import os
import shutil
import tempfile
from pathlib import Path

from jobs.local.unprivileged import User
from jobs.process import log
from jobs.process.errors import ConfigurationError

DATA = "data"
TEMPORARY_PREFIX = "skuscribe-postgres-"


def folder_for(user: User | None, folder: Path) -> Path:
    """Return the data folder of the server in `folder`, below a folder that the user may write to.

    Errors: `ConfigurationError` (78) if the user can access neither `folder` nor the temporary directory.
    """
    folder.mkdir(exist_ok=True)
    if user is None:
        return folder / DATA
    temporary = _temporary_folder_of(folder)
    if temporary is not None and temporary.exists():
        give_to(user, temporary)
        return temporary / DATA
    give_to(user, folder)
    folder.chmod(0o700)
    if user.can_write_to(folder):
        return folder / DATA
    return _move_to_temporary_folder(user, folder) / DATA


def give_to(user: User | None, path: Path) -> None:
    """Make the user the owner of a file, or of a folder and all below it, unless it is the owner already."""
    if user is None or path.stat().st_uid == user.uid:
        return
    for entry in path.rglob("*"):
        os.chown(entry, user.uid, user.gid, follow_symlinks=False)
    os.chown(path, user.uid, user.gid)  # last, so that an interrupted change is repeated


def remove_temporary_folder(folder: Path) -> list[Path]:
    """Remove the temporary folder with the data of the server in `folder`, if there is one. Returns what was removed."""
    temporary = _temporary_folder_of(folder)
    if temporary is None or not temporary.exists():
        return []
    shutil.rmtree(temporary)
    return [temporary]


def _temporary_folder_of(folder: Path) -> Path | None:
    link = folder / DATA
    target = link.readlink().parent if link.is_symlink() else None
    return target if target is not None and target.name.startswith(TEMPORARY_PREFIX) else None


def _move_to_temporary_folder(user: User, folder: Path) -> Path:
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX))
    give_to(user, temporary)
    if not user.can_write_to(temporary):
        temporary.rmdir()
        raise ConfigurationError(
            f"Postgres refuses to run as root, and the user that it runs as instead can access neither {folder} nor "
            f"{temporary.parent}: run the command as an ordinary user, or set TMPDIR to a folder that other users can enter"
        )
    link = folder / DATA
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        shutil.move(link, temporary / DATA)
        give_to(user, temporary / DATA)
    link.symlink_to(temporary / DATA)
    log.warning("Postgres cannot reach the state folder", state=str(folder), data=str(temporary))
    return temporary
