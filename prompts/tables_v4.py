"""Format v4's tables: an object gives a beat and the number of a row that says the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from saberlm.prompts.schema_fields import DropError, FieldReader

_Item: TypeAlias = Mapping[str, Any]


class RowTable:
    """Rows in the order of their first use, each once."""

    def __init__(self) -> None:
        """Starts without rows."""
        self.rows: list[dict[str, Any]] = []
        self._numbers: dict[str, int] = {}

    def number(self, row: dict[str, Any]) -> int:
        """Returns the row's number, adding it if it is new."""
        number = self._numbers.setdefault(repr(row), len(self.rows))
        if number == len(self.rows):
            self.rows.append(row)
        return number


def row_of(reader: FieldReader, data: _Item, table: str, item: _Item, key: str) -> _Item:
    """Returns the row of ``data[table]`` that an object numbers in its field ``key``.

    Raises:
        DropError: If there is no such row.
    """
    number, rows = reader.integer(item, key), data.get(table)
    if not isinstance(rows, list) or not 0 <= number < len(rows):
        raise DropError(f"with a number that {table} does not have")
    row = rows[number]
    if not isinstance(row, dict):
        raise DropError(f"with a number whose entry of {table} is not an object")
    return row


def merged_extra(
    reader: FieldReader,
    item: _Item,
    known: frozenset[str],
    row: _Item,
    row_known: frozenset[str],
) -> Mapping[str, Any] | None:
    """Returns the unknown fields of an object and of its row, the object's first.

    Of the row's, those named like a field of the object are counted and left out: they could not
    be written beside it.
    """
    extra, more = reader.extra(item, known), reader.extra(row, row_known)
    if not more:
        return extra
    clashing = sum(key in known for key in more)
    if clashing:
        reader.counts["unknown field of a table row dropped"] += clashing
    return {**{key: more[key] for key in more if key not in known}, **(extra or {})} or None
