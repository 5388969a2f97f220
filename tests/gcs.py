"""A server that speaks the part of Google's storage API that gcsfs uses for a run folder, objects in memory.

Uploads in one request, with `ifGenerationMatch=0` or without; metadata, reads and ranges, listings of three names a page, deletions.
"""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = 3


class GcsServer(ThreadingHTTPServer):
    """`puts` lists the uploads that were let in; a bucket is whatever `buckets` names."""

    daemon_threads = True

    def __init__(self, *buckets: str):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, dict[str, tuple[bytes, dict]]] = {name: {} for name in buckets}
        self.puts: list[str] = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_) -> None:
        """gcsfs asks for an object and for a folder of that name, and hangs up on the slower answer."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize, disable_nagle_algorithm = -1, True  # an answer is one packet
    server: GcsServer

    def do_GET(self) -> None:
        bucket, name, query = self._asked()
        if bucket is None:
            return self._answer(404)
        if not name:
            return self._answer(200, self._listing(bucket, query))
        if name not in bucket:
            return self._answer(404)
        data, info = bucket[name]
        if query.get("alt") != "media":
            return self._answer(200, info)
        first, _, last = self.headers.get("Range", "bytes=-").removeprefix("bytes=").partition("-")
        return self._answer(206 if "Range" in self.headers else 200, data[int(first or 0) : int(last) + 1 if last else None])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        bucket, _, query = self._asked()
        if bucket is None:
            return self._answer(404)
        head, _, rest = body.partition(b"\n\n")[2].partition(b"\n--==0==")  # the boundary that gcsfs always takes
        name, data = json.loads(head)["name"], rest.partition(b"\n\n")[2].removesuffix(b"\n--==0==--")
        with self.server.lock:  # one alone of all that would create an object
            if query.get("ifGenerationMatch") == "0" and name in bucket:
                return self._answer(412)
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            bucket[name] = data, {"name": name, "size": str(len(data)), "updated": now, "timeCreated": now}
            self.server.puts.append(name)
        return self._answer(200, bucket[name][1])

    def do_DELETE(self) -> None:
        bucket, name, _ = self._asked()
        self._answer(204 if bucket and bucket.pop(name, None) else 404)

    def log_message(self, *_) -> None:
        pass

    def _asked(self) -> tuple[dict | None, str, dict[str, str]]:
        """Bucket, name of the object, and what follows the question mark."""
        url = urlsplit(self.path)
        bucket, _, name = url.path.partition("/b/")[2].partition("/o")
        return self.server.objects.get(bucket), unquote(name[1:]), {k: v[0] for k, v in parse_qs(url.query).items()}

    def _listing(self, bucket: dict, query: dict[str, str]) -> dict:
        """One page: objects under the prefix, and folders, which end at the delimiter."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        below = [n.removeprefix(prefix) for n in sorted(bucket) if n.startswith(prefix)]
        names = list(dict.fromkeys(n[: n.index(delimiter) + 1] if delimiter and delimiter in n else n for n in below))
        start = int(query.get("pageToken", 0))
        page = [prefix + n for n in names[start : start + PAGE]]
        folders = [n for n in page if delimiter and n.endswith(delimiter)]
        more = {"nextPageToken": str(start + PAGE)} if names[start + PAGE :] else {}
        return {"kind": "storage#objects", "items": [bucket[n][1] for n in page if n not in folders], "prefixes": folders, **more}

    def _answer(self, status: int, body: dict | bytes = b"") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
