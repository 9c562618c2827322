"""A server's address without the secrets that it may carry."""

import base64
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from rgd.errors import UserError

_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")
_SECRET_PARAMETER = re.compile(
    r"(?<=[?&])([\w-]*(?:key|token|sig|signature|secret|password|code|auth))=[^&\s'\"]+", re.I
)
SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Address:
    """An address in parts.

    Attributes:
        shown: the address without user, password, query and fragment; the only part that may be recorded or printed.
        headers: the header that stands for user and password.
        query: the parameters of the query.
    """

    shown: str
    headers: dict[str, str]
    query: dict[str, str]

    @property
    def secrets(self) -> list[str]:
        """What must be masked wherever it shows up."""
        found = [*self.headers.values(), *self.query.values()]
        for header in self.headers.values():
            pair = base64.b64decode(header.removeprefix("Basic ")).decode()
            found += [header.removeprefix("Basic "), pair, pair.partition(":")[2]]
        return sorted({text for text in found if len(text) >= SHORTEST_SECRET}, key=len, reverse=True)


def split(address: str, name: str) -> Address:
    """The parts of ``address``, which the setting ``name`` holds.

    Raises:
        UserError: it is no address of a server. The message does not show it.
    """
    try:
        parts = urlsplit(address.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        valid = False
    if not valid:
        raise UserError(f"{name} is not the address of a server: set it to one such as http://localhost:8000/v1.")
    user, at, host = parts.netloc.rpartition("@")
    token = base64.b64encode(unquote(user).encode()).decode()
    headers = {"Authorization": f"Basic {token}"} if at else {}
    shown = urlunsplit((parts.scheme, host, parts.path, "", "")).rstrip("/")
    return Address(shown, headers, dict(parse_qsl(parts.query)))


def masked(text: str) -> str:
    """``text`` without the credentials of any address in it."""
    return _SECRET_PARAMETER.sub(r"\1=[key]", _CREDENTIALS.sub("[key]@", text))
