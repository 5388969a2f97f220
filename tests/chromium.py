"""A headless Chromium that tests drive through its DevTools protocol."""

import asyncio
import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
_QUIET = (
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-port=0", "--window-size=1200,800",
)  # fmt: skip
# WebGL on the processor, or none at all.
_WEBGL = {True: ("--use-angle=swiftshader", "--enable-unsafe-swiftshader"), False: ("--disable-gpu", "--disable-3d-apis")}
_CODES = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Browser:
    """One page. Context manager; `folder` holds the profile.

    events: what the page said and asked for since `watch`, as DevTools reports it.
    """

    def __init__(self, folder: Path, webgl: bool = False):
        self._folder, self._ids, self._loop = folder, itertools.count(1), asyncio.new_event_loop()
        self._flags, self.events = (*_QUIET, *_WEBGL[webgl]), list[dict]()

    def __enter__(self) -> "Browser":
        assert PROGRAM
        self._process = subprocess.Popen(
            [PROGRAM, *self._flags, f"--user-data-dir={self._folder}", "about:blank"], stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr
        said = next(line for line in self._process.stderr if "DevTools listening on" in line)
        port = said.split("127.0.0.1:")[1].split("/")[0]
        self._loop.run_until_complete(self._connect(f"http://127.0.0.1:{port}/json/list"))
        return self

    def __exit__(self, *_) -> None:
        self._loop.run_until_complete(self._session.close())
        self._loop.close()
        self._process.terminate()
        self._process.communicate()

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def watch(self) -> None:
        """Collect events from now on."""
        for domain in ("Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def errors(self) -> list[dict]:
        """Events that are a complaint."""
        said = [e for e in self.events if e["method"] == "Runtime.consoleAPICalled"]
        thrown = [e for e in self.events if e["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]
        return thrown + [e for e in said if e["params"]["type"] in ("error", "warning", "assert")]

    def requests(self) -> list[str]:
        """Addresses that were asked for, but for data that the page itself holds."""
        urls = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith("data:")]

    def emulate(self, width: int, height: int, **features: str) -> None:
        """A window of this size, and media features such as prefers_color_scheme='dark'."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self._call("Emulation.setEmulatedMedia", features=told)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        told = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until a JavaScript expression is true; the test's own timeout ends what never is."""
        look = f"new Promise(done => {{ const look = () => ({condition}) ? done(true) : setTimeout(look, 20); look() }})"
        assert self.ask(look)

    def press(self, *keys: str) -> None:
        """Keys one after the other, each as a hand would press it."""
        for key in keys:
            more = {"windowsVirtualKeyCode": _CODES[key]} if key in _CODES else {"text": key}
            self._call("Input.dispatchKeyEvent", type="keyDown", key=key, **more)
            self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def screenshot(self, whole: bool = False) -> str:
        """The window, or the whole page, as a PNG in base64."""
        return self._call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]

    def _call(self, method: str, **more) -> dict:
        return self._loop.run_until_complete(self._exchange(method, more))

    async def _connect(self, address: str) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.get(address) as answer:
            page = next(target for target in await answer.json() if target["type"] == "page")
        self._socket = await self._session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0)

    async def _exchange(self, method: str, more: dict) -> dict:
        number = next(self._ids)
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": more}))
        while True:
            told = json.loads((await self._socket.receive()).data)
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]
            self.events.append(told)
