"""HTTP requests to a served site, over connections that a test can keep."""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.facerec_site.served import NAME, PASSWORD
from tests.facerec_site.site import PATIENCE_S, Served
from tests.fakes import photo

ANN = 11


@dataclass(frozen=True)
class Answer:
    """Names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def is_another_time(self) -> bool:
        """True for the 503 of a site that stops: it has Retry-After and ends the connection."""
        return (
            self.status == 503
            and "stopping" in self.body
            and self.headers.get("retry-after") == "5"
            and self.headers.get("connection") == "close"
        )


def new_connection(site: Served) -> http.client.HTTPConnection:
    assert site.address
    return http.client.HTTPConnection("localhost", int(site.address[2]), timeout=PATIENCE_S)


def ask(site: Served, client: http.client.HTTPConnection, method: str, path: str) -> Answer:
    """With the site's key; a POST sends a photo."""
    headers = {"Authorization": f"Bearer {site.made['key']}", "Content-Type": "image/jpeg"}
    return _answer(client, method, path, photo(ANN) if method == "POST" else None, headers)


def get(site: Served, path: str, **headers: str) -> Answer:
    return _answer(new_connection(site), "GET", path, None, headers)


def identify(site: Served) -> Answer:
    return ask(site, new_connection(site), "POST", "/api/v1/identify")


def sign_in(site: Served, password: str = PASSWORD) -> Answer:
    """The answer to the form: 302 if the password is right."""
    path = "/accounts/login/"
    page = get(site, path)
    if page.status != 200:
        return page
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
    assert found
    body = urlencode({"csrfmiddlewaretoken": found[1], "username": NAME, "password": password})
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": page.headers["set-cookie"].split(";")[0],
    }
    return _answer(new_connection(site), "POST", path, body.encode(), headers)


def post_json(site: Served, path: str, content: object) -> Answer:
    headers = {"Authorization": f"Bearer {site.made['key']}", "Content-Type": "application/json"}
    return _answer(new_connection(site), "POST", path, json.dumps(content).encode(), headers)


def manage(site: Served, method: str, path: str, content: object) -> Answer:
    """With a key that may change settings."""
    key = site.made["manage_key"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return _answer(new_connection(site), method, path, json.dumps(content).encode(), headers)


def _answer(
    client: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
) -> Answer:
    client.request(method, path, body, headers)
    response = client.getresponse()
    names = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, names, response.read().decode(errors="replace"))
