"""What the client of the Hugging Face Hub says, by answers such as the real one gives."""

from __future__ import annotations

import http.server
import os
import threading
from typing import Any

from diagnosis.failing.registry import failure


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers every request as it was told, with the headers of the real Hub."""

    status, headers_to_send, body = 404, {}, b""  # type: ignore[var-annotated]

    def do_GET(self) -> None:
        self.send_response(self.status)
        for name, value in self.headers_to_send.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        pass


def answer(status: int, headers: dict[str, str] | None = None, body: str = "") -> str:
    Answer.status, Answer.headers_to_send, Answer.body = status, headers or {}, body.encode()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def _snapshot(status: int, code: str = "", words: str = "", *, token: str | None = None, **arguments: Any) -> Any:
    os.environ["HF_ENDPOINT"] = answer(status, {"X-Error-Code": code, "X-Error-Message": words})
    import huggingface_hub

    repo = arguments.pop("repo", "meta-llama/Llama-3.2-1B-Instruct")
    return huggingface_hub.snapshot_download(repo, token=token, cache_dir="cache", **arguments)


RESTRICTED = "Access to model meta-llama/Llama-3.2-1B-Instruct is restricted"


@failure("hub", "gated-without-token")
def _() -> Any:
    words = f"{RESTRICTED}. You must have access to it and be authenticated to access it. Please log in."
    return _snapshot(401, "GatedRepo", words)


@failure("hub", "gated-not-granted")
def _() -> Any:
    return _snapshot(403, "GatedRepo", f"{RESTRICTED} and you are not in the authorized list.", token="hf_x")


@failure("hub", "hub-token-invalid")
def _() -> Any:
    return _snapshot(401, words="Invalid credentials in Authorization header", token="hf_x")


@failure("hub", "hub-token-invalid/login")
def _() -> Any:
    # As Trainer's initializers do where there is an ACCESS_TOKEN.
    os.environ["HF_ENDPOINT"] = answer(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
    import huggingface_hub

    huggingface_hub.login("hf_x")


@failure("hub", "hub-token-lacks-permission")
def _() -> Any:
    return _snapshot(403, words="Forbidden: you must use a token with read access", token="hf_x")


@failure("hub", "hub-repository-hidden")
def _() -> Any:
    return _snapshot(401, "RepoNotFound", "Repository not found")


@failure("hub", "hub-repository-not-found")
def _() -> Any:
    return _snapshot(404, "RepoNotFound", "Repository not found")


@failure("hub", "hub-revision-not-found")
def _() -> Any:
    return _snapshot(404, "RevisionNotFound", "Invalid rev id: v9", revision="v9")


@failure("hub", "hub-rate-limit")
def _() -> Any:
    return _snapshot(429)


@failure("hub", "hub-out-of-order")
def _() -> Any:
    return _snapshot(503)


@failure("hub", "hub-name-invalid")
def _() -> Any:
    return _snapshot(404, repo="owner/name/folder")


@failure("hub", "hub-file-not-found")
def _() -> Any:
    os.environ["HF_ENDPOINT"] = answer(404, {"X-Error-Code": "EntryNotFound"})
    import huggingface_hub

    return huggingface_hub.hf_hub_download("owner/name", "weights.bin", cache_dir="cache")


@failure("hub", "hub-unreachable")
def _() -> Any:
    os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
    import huggingface_hub

    return huggingface_hub.snapshot_download("owner/name", cache_dir="cache")


@failure("hub", "hub-unreachable/name")
def _() -> Any:
    os.environ["HF_ENDPOINT"] = "https://hub.invalid"
    import huggingface_hub

    return huggingface_hub.snapshot_download("owner/name", cache_dir="cache")


@failure("hub", "hub-offline-and-not-cached")
def _() -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import huggingface_hub

    return huggingface_hub.snapshot_download("owner/name", cache_dir="cache")
