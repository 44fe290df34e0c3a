"""A real Firefox and a real WebKit, driven by the commands of WebDriver.

Firefox takes them over Marionette, its own wire, so that no second program is needed; WebKit through
WebKitWebDriver, in an Xvfb. Nothing is downloaded: what a machine has is used, what it lacks is named.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from app.demo.children import free_port

PATIENCE_S: Final = 60
POLL_S: Final = 0.05
CONTROL: Final = "\ue009"  # WebDriver's name of the key

Place = tuple[float, float]


class Missing(Exception):
    """A browser, or what drives it, is not on this machine; the message says what to install."""


class Engine(ABC):
    """A browser with one page."""

    @abstractmethod
    def send(self, command: str, **parameters: Any) -> Any:
        """One command of WebDriver, under Marionette's name for it; what it gives back."""

    def go(self, address: str) -> None:
        self.send("Navigate", url=address)

    def reload(self) -> None:
        self.send("Refresh")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.send("ExecuteScript", script=script, args=list(arguments))

    def wait_for(self, script: str, *arguments: Any) -> Any:
        """What a script returns, once that is true. A page that is being replaced is asked again."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with suppress(Refused):
                if value := self.run(script, *arguments):
                    return value
            time.sleep(POLL_S)
        shown = self.run("return document.querySelector('main').innerText")
        raise AssertionError(f"It never came true: {script}. The page shows: {shown}")

    def click(self, xpath: str) -> None:
        element = self.send("FindElement", using="xpath", value=xpath)
        self.send("ElementClick", id=next(iter(element.values())))

    def resize(self, width: int, height: int) -> None:
        """Give the page so many CSS px."""
        size = "return [window.outerWidth - window.innerWidth, window.outerHeight - window.innerHeight]"
        self.send("SetWindowRect", width=width, height=height, x=0, y=0)
        extra = self.run(size)
        self.send("SetWindowRect", width=width + extra[0], height=height + extra[1], x=0, y=0)

    def drag(self, places: Sequence[Place]) -> None:
        """Press at the first place, go through the others, and let go. CSS px."""
        moves = [
            {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 20, "origin": "viewport"}
            for x, y in places
        ]
        press = [{"type": "pointerDown", "button": 0}]
        pointer = {"type": "pointer", "id": "hand", "parameters": {"pointerType": "mouse"}}
        actions = [*moves[:1], *press, *moves[1:], {"type": "pointerUp", "button": 0}]
        self.send("PerformActions", actions=[pointer | {"actions": actions}])

    def press(self, *keys: str) -> None:
        """Together; the first is held longest."""
        actions = [{"type": "keyDown", "value": key} for key in keys]
        actions += [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self.send("PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])


class Refused(Exception):
    """The browser could not do it."""


@dataclass
class Firefox(Engine):
    """`length:JSON` over a socket: https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html"""

    wire: socket.socket
    received: bytes = b""
    number: int = 0

    def __post_init__(self) -> None:
        self._read()  # it greets first
        self.send("NewSession", capabilities={})
        self.send("SetTimeouts", script=60_000, pageLoad=60_000)

    def send(self, command: str, **parameters: Any) -> Any:
        self.number += 1
        message = json.dumps([0, self.number, f"WebDriver:{command}", parameters]).encode()
        self.wire.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._read()
        if error:
            raise Refused(f"{command}: {error['error']}: {error['message']}")
        return result["value"] if isinstance(result, dict) and set(result) == {"value"} else result

    def _read(self) -> Any:
        while b":" not in self.received:
            self._receive()
        length, _, self.received = self.received.partition(b":")
        while len(self.received) < int(length):
            self._receive()
        message, self.received = self.received[: int(length)], self.received[int(length) :]
        return json.loads(message)

    def _receive(self) -> None:
        received = self.wire.recv(1 << 20)
        if not received:
            raise ConnectionError("Firefox has gone.")
        self.received += received


# Marionette's names of commands, and where WebDriver has them.
ENDPOINTS: Final = {
    "Navigate": ("POST", "url"),
    "Refresh": ("POST", "refresh"),
    "ExecuteScript": ("POST", "execute/sync"),
    "FindElement": ("POST", "element"),
    "ElementClick": ("POST", "element/{id}/click"),
    "PerformActions": ("POST", "actions"),
    "SetWindowRect": ("POST", "window/rect"),
    "SetTimeouts": ("POST", "timeouts"),
    "DeleteSession": ("DELETE", ""),
}


@dataclass
class WebKit(Engine):
    """https://www.w3.org/TR/webdriver2/"""

    client: httpx2.Client
    browser: Path
    session: str = ""

    def __post_init__(self) -> None:
        options = {"binary": str(self.browser), "args": ["--automation"]}
        wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
        self.session = self._ask("POST", "/session", wanted)["sessionId"]
        self.send("SetTimeouts", script=60_000, pageLoad=60_000)

    def send(self, command: str, **parameters: Any) -> Any:
        method, path = ENDPOINTS[command]
        return self._ask(
            method, f"/session/{self.session}/{path.format(**parameters)}".rstrip("/"), parameters
        )

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        sent = json.dumps(body).encode() if method == "POST" else None
        answer = self.client.request(method, path, content=sent)
        value = answer.json()["value"]
        if answer.is_error:
            raise Refused(f"{path}: {value['error']}: {value['message']}")
        return value


QUIET: Final = {
    "marionette.port": 0,  # it takes a free one and writes it down
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}
"""Firefox asks nobody anything and shows nothing of its own."""


@contextmanager
def firefox(folder: Path) -> Iterator[Engine]:
    """A Firefox with a profile of its own."""
    program = needed("Firefox", "firefox-esr", "firefox")
    profile = folder / "profile"
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in QUIET.items()]
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    with running(command, folder, HOME=str(folder)) as process:
        port = int(written(profile / "MarionetteActivePort", process))
        with socket.create_connection(("127.0.0.1", port), timeout=90) as wire:
            yield Firefox(wire)


@contextmanager
def webkit(folder: Path) -> Iterator[Engine]:
    """A MiniBrowser of WebKitGTK on a screen that nobody sees."""
    driver, screen = needed("WebKit", "WebKitWebDriver"), needed("WebKit", "Xvfb")
    browser = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), None)
    if browser is None:
        raise Missing("WebKit's MiniBrowser is not installed; .ci/need-engines says how.")
    number = folder / "display"
    display = ["-screen", "0", "1600x1100x24", "-nolisten", "tcp", "-displayfd", "3"]
    with ExitStack() as stack:
        told = stack.enter_context(number.open("wb"))
        shell = ["sh", "-c", 'exec "$0" "$@" 3>&1', screen, *display]
        shown = stack.enter_context(running(shell, folder, output=told))
        port = free_port()
        # Root may not open WebKit's sandbox; the pages are our own.
        alone = {"DISPLAY": f":{written(number, shown)}", "HOME": str(folder), "LIBGL_ALWAYS_SOFTWARE": "1"}
        alone["WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS"] = "1"
        process = stack.enter_context(running([driver, f"--port={port}"], folder, **alone))
        wait_for_port(port, process)
        client = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=90))
        engine = WebKit(client, browser)
        stack.callback(engine.send, "DeleteSession")
        yield engine


def needed(name: str, *programs: str) -> str:
    found = next((path for program in programs if (path := shutil.which(program))), None)
    if found is None:
        raise Missing(f"{name} is not installed (no {programs[0]}); .ci/need-engines says how.")
    return found


@contextmanager
def running(
    command: list[str], folder: Path, *, output: Any = subprocess.DEVNULL, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=output, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def written(path: Path, process: subprocess.Popen[bytes]) -> str:
    """The line that a program writes when it is ready."""
    for _ in range(int(PATIENCE_S / POLL_S)):
        if path.exists() and (text := path.read_text().strip()):
            return text
        if process.poll() is not None:
            break
        time.sleep(POLL_S)
    raise AssertionError(f"{process.args!r} wrote nothing to {path}: {(path.parent / 'log').read_text()}")


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(int(PATIENCE_S / POLL_S)):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            break
        time.sleep(POLL_S)
    raise AssertionError(f"{process.args!r} does not listen on {port}.")
