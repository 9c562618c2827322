"""Writes a table to files: Parquet and CSV to compute with, Markdown and LaTeX to read."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from rgd.artifacts.files import replacing, write_table

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    "…": r"\dots{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def write_all(
    frame: pd.DataFrame,
    parquet: str | os.PathLike[str],
    people: Mapping[str, pd.DataFrame] | None = None,
    note: str = "",
    plain: bool = False,
) -> list[Path]:
    """Write ``frame`` as .parquet and beside it as .csv, .md and .tex, each whole or not at all.

    Args:
        frame: the table with all its figures, written unchanged to Parquet and CSV.
        parquet: path of the Parquet file.
        people: title -> table, written to Markdown and LaTeX instead of ``frame``.
        note: a sentence below the tables in Markdown and LaTeX.
        plain: whether Markdown shows the texts of ``people`` as they are, as :func:`markdown` does.

    Returns:
        The four paths, in the order above.

    Raises:
        UserError: a file cannot be written.
    """
    shown = people if people is not None else {"": frame}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    schema = pa.schema([_plain(field) for field in table.schema])
    paths = [Path(parquet).with_suffix(ending) for ending in (".parquet", ".csv", ".md", ".tex")]
    write_table(paths[0], table, schema)
    texts = [frame.to_csv(index=False, lineterminator="\n"), markdown(shown, note, plain), latex(shown, note)]
    for path, text in zip(paths[1:], texts, strict=True):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return paths


def markdown(tables: Mapping[str, pd.DataFrame], note: str = "", plain: bool = False) -> str:
    """Titles as headings, and aligned pipe tables that are readable in a terminal too.

    Args:
        tables: title -> table.
        note: a sentence below them.
        plain: whether titles and cells are texts in which HTML, links and emphasis are to be shown and not to work.
    """
    if plain:
        tables = {
            _without_markup(title): cell_texts(table).map(_without_markup).set_axis(table.columns, axis=1)
            for title, table in tables.items()
        }
    parts = []
    for title, table in tables.items():
        if title:
            parts.append(f"## {title}")
        texts = cell_texts(table).map(lambda text: text.replace("|", r"\|").replace("\n", " "))
        names = [str(name).replace("|", r"\|") for name in table.columns]
        widths = [max(3, len(name), *map(len, texts.iloc[:, i])) for i, name in enumerate(names)]
        numeric = right_aligned(table)
        rule = ["-" * (width - 1) + ":" if right else "-" * width for width, right in zip(widths, numeric, strict=True)]
        rows = [names, rule, *texts.to_numpy().tolist()]
        parts.append("\n".join("| " + " | ".join(_pad(row, widths, numeric)) + " |" for row in rows))
    return "\n\n".join([*parts, note] if note else parts) + "\n"


def _without_markup(text: str) -> str:
    escaped = re.sub(r"([\\`*~#!\[\]])", r"\\\1", text.replace("&", "&amp;"))
    return " ".join(escaped.replace("<", "&lt;").replace(">", "&gt;").split())


def latex(tables: Mapping[str, pd.DataFrame], note: str = "") -> str:
    r"""One ``tabular`` per table, for the package booktabs (``\usepackage{booktabs}``)."""
    parts = []
    for title, table in tables.items():
        columns = "".join("r" if right else "l" for right in right_aligned(table))
        rows = [" & ".join(map(tex_text, row)) + r" \\" for row in cell_texts(table).to_numpy().tolist()]
        heading = [rf"\textbf{{{tex_text(title)}}}\par\smallskip"] if title else []
        header = " & ".join(tex_text(str(name)) for name in table.columns) + r" \\"
        lines = [*heading, rf"\begin{{tabular}}{{{columns}}}", r"\toprule", header, r"\midrule", *rows]
        parts.append("\n".join([*lines, r"\bottomrule", r"\end{tabular}"]))
    ending = [rf"\par\smallskip {tex_text(note)}"] if note else []
    return "\n\n".join([*parts, *ending]) + "\n"


def text_table(table: pd.DataFrame) -> str:
    """Columns two spaces apart below a header and a rule, with numbers right-aligned. A column's name may have several lines."""
    texts = cell_texts(table)
    names = [str(name).split("\n") for name in table.columns]
    widths = [max(*map(len, name), *map(len, texts.iloc[:, i]), 0) for i, name in enumerate(names)]
    numeric = right_aligned(table)
    height = max(map(len, names))
    heads = [[([""] * (height - len(name)) + name)[line] for name in names] for line in range(height)]
    rows = [*heads, ["-" * width for width in widths], *texts.to_numpy().tolist()]
    return "\n".join("  ".join(_pad(row, widths, numeric)).rstrip() for row in rows)


def tex_text(text: str) -> str:
    """``text`` with every character special to LaTeX escaped."""
    return "".join(_TEX.get(sign, sign) for sign in text)


def _pad(row: list[str], widths: list[int], numeric: list[bool]) -> list[str]:
    return [
        text.rjust(width) if right else text.ljust(width)
        for text, width, right in zip(row, widths, numeric, strict=True)
    ]


def cell_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Every cell as text: floats with four significant digits, missing values empty."""

    def text(value: object) -> str:
        if isinstance(value, float):
            return "" if pd.isna(value) else f"{value:.4g}"
        return "" if value is None or value is pd.NA else str(value)

    return pd.DataFrame({i: [text(value) for value in table.iloc[:, i].tolist()] for i in range(table.shape[1])})


def right_aligned(table: pd.DataFrame) -> list[bool]:
    """Which columns are right-aligned: numbers, and texts of which one begins with a digit, such as ``62.4 ± 1.1``."""
    return [
        pd.api.types.is_numeric_dtype(kind) or any(str(value)[:1].isdigit() for value in table.iloc[:, i])
        for i, kind in enumerate(table.dtypes)
    ]


def _plain(field: pa.Field) -> pa.Field:
    """Text columns as ``string``, so that the bytes do not depend on the width that pandas chose."""
    return pa.field(field.name, pa.string()) if pa.types.is_large_string(field.type) else field.remove_metadata()
