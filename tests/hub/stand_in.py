"""A hub on 127.0.0.1: what huggingface_hub asks for, answered from a dictionary of files.

Speaks the interface as the hub's documentation and its client have it: a repository's commit, the
tree of a folder, files with ETag and commit, ranges; errors with the hub's own codes. It notes
every request and can cut a connection in the middle of a file.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]


def commit_of(files: Files) -> str:
    """A hash like a commit's, of the content."""
    digest = hashlib.sha1()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name])
    return digest.hexdigest()


def files_of(folder: Path, below: str = "") -> Files:
    """What lies in a folder, as a repository has it."""
    return {
        f"{below}{path.relative_to(folder)}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@dataclass
class StandIn:
    """A running hub."""

    url: str
    repositories: dict[str, dict[str, Files]] = field(default_factory=dict)
    """by name, then by revision"""
    gated: set[str] = field(default_factory=set)
    refused: dict[str, int] = field(default_factory=dict)
    """status by which all of a repository is answered"""
    cut: dict[str, int] = field(default_factory=dict)
    """by file: after how many bytes the next request for it is cut"""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, Range) of each request"""

    def add(self, repo: str, files: Files, revision: str = "main") -> str:
        """Puts a commit there and lets the revision lead to it."""
        commit = commit_of(files)
        self.repositories.setdefault(repo, {}).update({revision: files, commit: files})
        return commit

    def fetched(self) -> Counter[str]:
        """How often each file was asked for, without the questions for its head."""
        paths = (path for method, path, _ in self.asked if method == "GET" and "/resolve/" in path)
        return Counter(path.split("/resolve/")[1].partition("/")[2] for path in paths)

    def n_asked(self) -> int:
        """Requests about repositories; the client may ask for things of its own besides."""
        return sum("/models/" in path or "/resolve/" in path for _, path, _ in self.asked)


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """A hub, for as long as it lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = StandIn(f"http://127.0.0.1:{server.server_port}")
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> StandIn:
        return self.server.hub  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Range", "")))
        if path.startswith("/api/models/"):
            self._api(path.removeprefix("/api/models/"))
        elif "/resolve/" in path:
            repo, _, rest = path[1:].partition("/resolve/")
            self._file(repo, *rest.split("/", 1))
        else:
            self._json(404, {"error": "not here"})

    def _api(self, path: str) -> None:
        parts = path.split("/")
        n = next((i for i, part in enumerate(parts) if part in ("revision", "tree")), len(parts))
        repo, kind, rest = "/".join(parts[:n]), "".join(parts[n : n + 1]), parts[n + 1 :]
        files = self._files(repo, rest[0] if rest else "main")
        if files is None:
            return
        if kind != "tree":
            self._json(200, {"id": repo, "modelId": repo, "sha": commit_of(files), "siblings": []})
            return
        entries = _tree(files, "/".join(rest[1:]))
        if entries is None:
            self._json(404, {"error": "no such path"}, "EntryNotFound")
        else:
            self._json(200, entries)

    def _files(self, repo: str, revision: str) -> Files | None:
        """The files of a revision; None where an error has been answered."""
        if repo in self.hub.refused:
            self._json(self.hub.refused[repo], {"error": "refused"})
        elif repo in self.hub.gated:
            self._json(403, {"error": "gated"}, "GatedRepo")
        elif repo not in self.hub.repositories:
            self._json(401, {"error": "Invalid username or password."}, "RepoNotFound")
        elif revision not in self.hub.repositories[repo]:
            self._json(404, {"error": "no revision"}, "RevisionNotFound")
        else:
            return self.hub.repositories[repo][revision]
        return None

    def _file(self, repo: str, revision: str, name: str) -> None:
        files = self._files(repo, revision)
        if files is None:
            return
        if name not in files:
            self._json(404, {"error": "no such file"}, "EntryNotFound")
            return
        content, start = files[name], 0
        asked = self.headers.get("Range", "")
        if asked:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit_of(files))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        end = self.hub.cut.pop(name, len(content))
        self.wfile.write(content[start:end])
        if end < len(content):
            self.close_connection = True

    def _json(self, status: int, value: Any, code: str = "") -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", value["error"])
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _tree(files: Files, folder: str) -> list[dict[str, Any]] | None:
    """What lies directly in a folder; None if there is no such folder."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, dict[str, Any]] = {}
    for name, content in files.items():
        if not name.startswith(prefix):
            continue
        first, _, deeper = name.removeprefix(prefix).partition("/")
        path, oid = prefix + first, hashlib.sha1(name.encode()).hexdigest()
        if deeper:
            entries[path] = {"type": "directory", "path": path, "oid": oid, "size": 0}
        else:
            entries[path] = {"type": "file", "path": path, "oid": oid, "size": len(content)}
    return list(entries.values()) if entries else None
