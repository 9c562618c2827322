"""HTML and SVG as text in which whatever is no markup is escaped: what models and users wrote stays text."""

import html
import json
import re
from collections.abc import Iterable
from typing import Any

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
VOID = ("meta", "link", "input", "br", "hr")


class Markup(str):
    """Text that is HTML already; only :func:`tag` and what is made of it make some."""

    __slots__ = ()


def tag(name: str, *children: Any, **attributes: Any) -> Markup:
    """An element. Children are escaped unless they are :class:`Markup`; lists are taken apart, None is nothing.

    Args:
        name: of the element.
        children: texts, numbers, elements, lists of them.
        attributes: ``class_`` stands for class, ``data_x`` for data-x; True is an attribute without a value, None and False none.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no element")
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{text(children)}</{name}>")


def text(children: Any) -> Markup:
    """``children`` as :func:`tag` writes them, without an element around them."""
    if children is None:
        return Markup("")
    if isinstance(children, Markup):
        return children
    if isinstance(children, Iterable) and not isinstance(children, str):
        return Markup("".join(text(child) for child in children))
    return Markup(html.escape(_printable(str(children)), quote=False))


def json_script(identifier: str, content: Any) -> Markup:
    """``content`` as JSON in an element of the page; no text in it can end the element."""
    written = json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    safe = written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(f'<script type="application/json" id="{html.escape(identifier)}">{safe}</script>')


def _attribute(key: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if not _NAME.fullmatch(name) or name.lower().startswith("on"):
        raise ValueError(f"{name!r} is no attribute")
    return f" {name}" if value is True else f' {name}="{html.escape(_printable(str(value)), quote=True)}"'


def _printable(value: str) -> str:
    """Without what is no character of HTML: control characters but tab and line breaks, and lone surrogates."""
    kept = "".join(
        sign if sign in "\t\n\r" or not (ord(sign) < 32 or 127 <= ord(sign) < 160) else "�" for sign in value
    )
    return kept.encode("utf-8", "replace").decode("utf-8")
