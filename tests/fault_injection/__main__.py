"""Runs both proxies until SIGTERM.

python -m tests.fault_injection S3_PORT POSTGRES_PORT S3_PROBABILITY POSTGRES_PROBABILITY SEED

Prints the ports of the proxies as one line of JSON, and at the end the numbers of calls and of faults.
"""

import json
import signal
import sys
import threading

from tests.fault_injection.faults import Faults
from tests.fault_injection.postgres_proxy import PostgresProxy
from tests.fault_injection.s3_proxy import s3_proxy


def main(s3_port: str, postgres_port: str, s3_probability: str, postgres_probability: str, seed: str) -> None:
    """Run the proxies."""
    faults = {"s3": Faults(float(s3_probability), f"{seed} S3"), "postgres": Faults(float(postgres_probability), seed)}
    s3 = s3_proxy(int(s3_port), faults["s3"])
    postgres = PostgresProxy(int(postgres_port), faults["postgres"])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    for serve in (s3.serve_forever, postgres.serve_forever):
        threading.Thread(target=serve, daemon=True).start()
    print(json.dumps({"s3": s3.server_port, "postgres": postgres.port}), flush=True)
    signal.sigwait({signal.SIGTERM})
    print(json.dumps({name: drawn.counts for name, drawn in faults.items()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
