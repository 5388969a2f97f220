"""The review page over HTTP, for this machine alone.

A page of another origin may not read or decide anything: requests must name this server as their Host, and decisions must carry the
token that only the page itself was given.
"""

import json
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from urllib.parse import parse_qsl, unquote, urlsplit

from manifests.errors import UserError
from pipeline.review.session import Session

_FILES = {"/": ("page.html", "text/html"), "/page.js": ("page.js", "text/javascript"), "/page.css": ("page.css", "text/css")}
_TYPES = {"png": "image/png", "jpg": "image/jpeg"}
_MOST_BYTES = 4096  # of a request's body
_TOKEN = "X-Skep-Token"


class ReviewServer(ThreadingHTTPServer):
    """Serves one session on the loopback address; port 0 takes any free one."""

    daemon_threads = True

    def __init__(self, session: Session, title: str, port: int = 0):
        self.session, self.title, self.token = session, title, secrets.token_urlsafe(16)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as e:
            raise UserError(f"--port {port}: cannot listen there ({e.strerror})") from None
        self.hosts = {f"{name}:{self.server_address[1]}" for name in ("127.0.0.1", "localhost")}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, make) -> None:
        """What `make` gives as (type, bytes), or why not."""
        try:
            if self.headers.get("Host") not in self.server.hosts:
                raise PermissionError("this page is served to its own machine alone")
            self._send(HTTPStatus.OK, *make())
        except PermissionError as e:
            self._refuse(HTTPStatus.FORBIDDEN, str(e))
        except KeyError:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such thing here")
        except UserError as e:
            self._refuse(HTTPStatus.BAD_REQUEST, str(e))
        except OSError as e:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"the run folder refuses it: {e.strerror or e}")

    def _get(self) -> tuple[str, bytes]:
        address, session = urlsplit(self.path), self.server.session
        head, _, rest = address.path.rpartition("/")
        if head == "/picture":
            data, kind = session.samples.picture(unquote(rest))
            return _TYPES[kind], data
        if head == "/labels":
            return _json(session.samples.labels(unquote(rest)))
        if address.path == "/samples":
            return _json(session.page(dict(parse_qsl(address.query))))
        if address.path == "/choices":
            return _json({**session.choices(), "title": self.server.title})
        name, kind = _FILES[address.path]
        text = (resources.files("pipeline.review") / "data" / name).read_text("utf-8")
        return kind, text.replace("{{token}}", self.server.token).encode()

    def _post(self) -> tuple[str, bytes]:
        origin = self.headers.get("Origin")
        if origin and origin.removeprefix("http://") not in self.server.hosts:
            raise PermissionError("decisions are made on this server's own page")
        if not secrets.compare_digest(self.headers.get(_TOKEN, "").encode(), self.server.token.encode()):
            raise PermissionError("the page is of an earlier launch; load it again")
        body = self._body()
        if self.path == "/undo":
            return _json(self.server.session.undo())
        if self.path == "/decide":
            return _json(self.server.session.decide(str(body.get("sample_id")), str(body.get("decision"))))
        raise KeyError(self.path)

    def _body(self) -> dict:
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > _MOST_BYTES:
            raise UserError(f"expected a body of at most {_MOST_BYTES} bytes")
        try:
            body = json.loads(self.rfile.read(int(size)))
        except ValueError:
            raise UserError("the body is not JSON") from None
        if not isinstance(body, dict):
            raise UserError("expected a JSON object")
        return body

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # a body may be left unread
        self._send(status, "text/plain", why.encode())

    def _send(self, status: HTTPStatus, kind: str, data: bytes) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
            "Content-Length": str(len(data)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args) -> None:
        """Nothing: the page says what went wrong."""


def _json(value) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()
