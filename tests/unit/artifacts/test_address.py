"""Addresses of servers that carry secrets."""

import base64

import pytest

from rgd.artifacts.address import masked, split
from rgd.errors import UserError


@pytest.mark.parametrize(
    ("given", "shown", "pair", "query"),
    [
        ("http://localhost:8000/v1", "http://localhost:8000/v1", None, {}),
        ("https://host/v1/", "https://host/v1", None, {}),
        ("https://user:pass%40word@host:1/v1", "https://host:1/v1", "user:pass@word", {}),
        ("https://token@host", "https://host", "token", {}),
        ("https://a@b:c@host/", "https://host", "a@b:c", {}),
        (
            "http://[::1]:8000/v1?api-version=2024-02-01&api-key=k3y%21#x",
            "http://[::1]:8000/v1",
            None,
            {"api-version": "2024-02-01", "api-key": "k3y!"},
        ),
    ],
)
def test_an_address_is_split(given: str, shown: str, pair: str | None, query: dict[str, str]) -> None:
    found = split(given, "NAME")
    assert (found.shown, found.query) == (shown, query)
    sent = {} if pair is None else {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    assert found.headers == sent
    assert {*query.values(), *([pair] if pair else [])} <= set(found.secrets)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "host/v1",
        "user:hunter2@host",
        "ftp://hunter2@host",
        "http://",
        "http://a:hunter2@host:hunter2/",
        "http://[hunter2/",
    ],
)
def test_what_is_no_address_is_refused_unseen(given: str) -> None:
    with pytest.raises(UserError, match="NAME") as caught:
        split(given, "NAME")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "refused at http://user:hunter2@host/v1",
        "https://hunter2@host",
        "url: /v1?key=hunter2",
        "/v1?a=b&api_key=hunter2 failed",
        "'https://host/?x=1&access_token=hunter2'",
        "socks5://user:hunter2@proxy:1080",
        "https://host/?sig=hunter2&a=b",
    ],
)
def test_credentials_in_a_text_are_masked(text: str) -> None:
    assert "hunter2" not in masked(text)


@pytest.mark.parametrize(
    "text", ["write to me@host", "http://host/a@b", "key=value", "the code = 5", "https://host/v1?model=m"]
)
def test_other_text_is_left(text: str) -> None:
    assert masked(text) == text
