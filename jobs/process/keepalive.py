"""How soon a TCP connection to a lost host ends: within about a minute.

Keepalives are sent only while nothing waits for an acknowledgement. Data sent to a lost host needs the user timeout.
"""

IDLE_SECONDS = 30
INTERVAL_SECONDS = 10
COUNT = 3
USER_TIMEOUT_MILLISECONDS = 60_000
