"""A headless Chromium, driven over its debugging pipe."""

import fcntl
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)) is not None),
    None,
)
"""None where no Chromium is installed."""

SECONDS = 60
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """One tab. `console` has the errors and messages of its pages, such as violations of the content security policy."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        self.console: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol. Returns its result."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session and not method.startswith(("Browser.", "Target.")):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (received := self._receive()).get("id") != number:
            pass
        if "error" in received:
            raise AssertionError(f"{method}: {received['error']}")
        return dict(received["result"])

    def open(self, path: Path) -> None:
        """Load a page and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.wait_for("Page.loadEventFired")

    def wait_for(self, method: str, **expected: Any) -> None:
        """Wait for an event with these parameters."""
        while True:
            for event in self.events:
                if event["method"] == method and expected.items() <= event["params"].items():
                    return
            self._receive()

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"])
        return found["result"].get("value")

    def text(self, identifier: str) -> str:
        """Return the text of an element as a person sees it; empty if it is hidden."""
        return str(self.evaluate(f"document.getElementById({identifier!r}).innerText"))

    def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("rawKeyDown", "char", "keyUp") if len(key) == 1 else ("rawKeyDown", "keyUp"):
            text = {"text": key} if kind == "char" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **text)

    def type_into(self, identifier: str, text: str) -> None:
        """Focus an input and press the key of each character."""
        self.evaluate(f"document.getElementById({identifier!r}).focus()")
        for character in text:
            self.press(character)
        self.evaluate("document.activeElement.blur()")

    def download(self, button: str, folder: Path) -> Path:
        """Click a button and return the file that is downloaded."""
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), eventsEnabled=True)
        self.evaluate(f"document.getElementById({button!r}).click()")
        self.wait_for("Browser.downloadProgress", state="completed")
        [begun] = [event for event in self.events if event["method"] == "Browser.downloadWillBegin"]
        return folder / str(begun["params"]["suggestedFilename"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], SECONDS)
            assert ready, f"the browser has sent nothing for {SECONDS} seconds"
            data = os.read(self._from, 1 << 16)
            if not data:
                raise AssertionError("the browser ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append(message)
            if message["method"] in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                self.console.append(json.dumps(message["params"]))
        return message


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start Chromium with its profile in `folder`, and end it at the end."""
    to_browser, from_browser = _pipe(), _pipe()
    command = [str(PROGRAM), *FLAGS, f"--user-data-dir={folder}"]
    shell = f'exec "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", *command],
        pass_fds=(to_browser[0], from_browser[1]),
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser[0])
    os.close(from_browser[1])
    try:
        yield Browser(to_browser[1], from_browser[0])
    finally:
        os.close(to_browser[1])  # the end of the pipe ends the browser
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(from_browser[0])


def _pipe() -> tuple[int, int]:
    """Return the ends of a pipe whose numbers are not 3 or 4, which Chromium reads and writes."""
    ends = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return read, write
