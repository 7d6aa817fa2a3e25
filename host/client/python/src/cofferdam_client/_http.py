"""Requests to the pages of an instance: questions in GraphQL, and the bytes of values."""

import json
from http.client import HTTPException
from typing import Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ._errors import CofferdamError, NotFound, Unauthorized, Unreachable

Json = dict[str, Any]

# For one answer: a plan may be compiled for it, and a library built.
TIMEOUT_S = 600.0


class _NoRedirect(HTTPRedirectHandler):
    """The token is for whom it was given for."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Pages:
    """The pages at an address, for who has this token."""

    def __init__(self, url: str, token: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"write the address as http://127.0.0.1:4041 or https://cofferdam.example, not {url!r}")
        self.url = url.rstrip("/")
        self._token = token
        self._opener = build_opener(_NoRedirect)

    def ask(self, query: str, variables: Json) -> Json:
        """The data of an answer; raises what stands in its place."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        answer = self._request("/graphql", body)
        try:
            document = json.loads(answer)
        except ValueError as error:
            raise Unreachable(f"{self.url} is no Cofferdam: its answer is no JSON") from error
        if document.get("errors"):
            raise CofferdamError("\n".join(error["message"] for error in document["errors"]))
        return cast(Json, document["data"])

    def value(self, path: str) -> bytes:
        """The bytes at an address that an answer named."""
        return self._request(path, None)

    def _request(self, path: str, body: bytes | None) -> bytes:
        headers = {"accept": "application/json", "content-type": "application/json"}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        request = Request(self.url + path, data=body, headers=headers)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return cast(bytes, response.read())
        except HTTPError as error:
            raise self._refusal(error) from None
        except (URLError, HTTPException, OSError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            hint = "is `cofferdam dev` or `cofferdam serve` running there, and is the address right?"
            raise Unreachable(f"nobody answers at {self.url}: {reason}; {hint}") from error

    def _refusal(self, error: HTTPError) -> CofferdamError:
        said = error.read(64 * 1024).decode(errors="replace").strip()
        try:
            said = "\n".join(one["message"] for one in json.loads(said)["errors"])
        except (ValueError, KeyError, TypeError):
            pass
        match error.code:
            case 401:
                return Unauthorized(f"{self.url}: {said}; `cofferdam token create NAME --role launcher` makes a token")
            case 404:
                return NotFound(said)
            case code:
                return CofferdamError(f"{self.url} answers {code}: {said}")
