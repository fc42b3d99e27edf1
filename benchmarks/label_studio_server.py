"""A Label Studio server of one's own, on this machine only, for as long as a context lasts."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_SECONDS = 300  # the first start sets up a data base
ANSWER_SECONDS = 60


class Server:
    """Requests to a running Label Studio."""

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self._headers = {"Authorization": f"Token {token}"}
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def read(self, path: str) -> bytes:
        """The answer to GET."""
        return self._open(urllib.request.Request(self.address + path, headers=self._headers))

    def get(self, path: str) -> Any:
        """The JSON answer to GET."""
        return json.loads(self.read(path))

    def post(self, path: str, content: Any) -> Any:
        """The JSON answer to JSON."""
        return self._send(path, json.dumps(content).encode(), "application/json")

    def upload(self, path: str, file: Path) -> Any:
        """The JSON answer to a file, sent as a form in a browser does."""
        boundary = secrets.token_hex(16)
        start = (
            f"--{boundary}\r\nContent-Type: application/json\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'
        )
        body = start.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        return self._send(path, body, f"multipart/form-data; boundary={boundary}")

    def _send(self, path: str, body: bytes, kind: str) -> Any:
        headers = {**self._headers, "Content-Type": kind}
        request = urllib.request.Request(self.address + path, body, headers)
        return json.loads(self._open(request))

    def _open(self, request: urllib.request.Request) -> bytes:
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:2000]
            raise RuntimeError(
                f"{request.get_method()} {request.full_url}: {error}\n{said}"
            ) from error


@contextmanager
def running(command: str, root: Path, data: Path, log: Path) -> Iterator[Server]:
    """A server that serves local files below a root, with an empty data base."""
    token = secrets.token_hex(20)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = dict(
        LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED="true",
        LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=str(root),
        LABEL_STUDIO_BASE_DATA_DIR=str(data),
        LABEL_STUDIO_DJANGO_DB="sqlite",
        LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN="true",  # or it refuses --user-token
        LABEL_STUDIO_COLLECT_ANALYTICS="false",
        LABEL_STUDIO_LATEST_VERSION_CHECK="false",
        LABEL_STUDIO_SENTRY_DSN="",
        LABEL_STUDIO_FRONTEND_SENTRY_DSN="",
    )
    data.mkdir()
    options = ["--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    user = ["--username", "person@example.com", "--password", secrets.token_hex(8)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [command, "start", *options, *user, "--user-token", token],
            env={**os.environ, **settings},
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            server = Server(f"http://127.0.0.1:{port}", token)
            wait_for(server, process)
            yield server
        finally:
            stop(process)


def wait_for(server: Server, process: subprocess.Popen) -> None:
    """Return when the server answers.

    Raises:
        RuntimeError: if it ends or does not answer in time.
    """
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"Label Studio ended with status {process.returncode}")
        try:
            server.read("/health")
            return
        except OSError:  # nobody listens yet
            time.sleep(1)
    raise RuntimeError(f"Label Studio did not answer within {START_SECONDS} seconds")


def stop(process: subprocess.Popen) -> None:
    """End a process and all that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(15)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            pass
    process.wait(15)
