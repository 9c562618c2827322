"""What a server answers in the place of a reply: errors in the form of OpenAI's API."""

from collections.abc import Mapping
from typing import Any

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}
CLIENT_GONE = 499
"""No client sees it; it is counted, as proxies do."""
OVERLOADED = 503
BAD_GATEWAY = 502


class Fault(Exception):
    """A request that gets no reply.

    Args:
        status: the HTTP status. Clients repeat a request after 429 and from 500 on, and no other.
        message: what is wrong, and what to do.
        param: the request's parameter that is wrong.
        code: a word for programs, such as ``context_length_exceeded``.
        retry_after: seconds after which to try again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code, self.retry_after = status, param, code, retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response."""
        return {} if self.retry_after is None else {"Retry-After": f"{max(self.retry_after, 0):.0f}"}

    @property
    def body(self) -> dict[str, Any]:
        """The body of the response, or a stream's last event."""
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}
