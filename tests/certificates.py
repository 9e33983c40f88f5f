"""A certificate that no authority has signed, for servers of tests."""

import subprocess
from pathlib import Path


def certificate_files(folder: Path) -> tuple[Path, Path]:
    """Write a certificate and its key into a folder. Returns their paths."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = ["openssl", "req", "-x509", *kind, "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
