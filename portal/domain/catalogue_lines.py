"""Finds the line of a key in a TOML text, which `tomllib` does not tell.

The text has been accepted by `tomllib` before, so this reads keys and brackets only and
checks nothing.
"""

from __future__ import annotations

import re
import tomllib

Place = tuple[str, ...]
"""Keys from the top of the file; an element of a list is its index, as text."""

_TOKEN = re.compile(
    r"""
      (?P<string> \"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5}
                | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<newline> \n)
    | (?P<skipped> \#[^\n]* | [ \t\r]+)
    | (?P<mark> [][{}=,.])
    | (?P<bare> [^][{}=,.\s#"']+)
    | (?P<other> .)
    """,
    re.VERBOSE | re.DOTALL,
)


class LineIndex:
    """The line, from 1, on which each table and key of a valid TOML text stands."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str, int]] = []
        line = 1
        for match in _TOKEN.finditer(text):
            kind, token = match.lastgroup or "other", match.group()
            if kind != "skipped":
                self._tokens.append((kind, token, line))
            line += token.count("\n")
        self._at = 0
        self._lines: dict[Place, int] = {}
        self._list_lengths: dict[Place, int] = {}
        self._read_document()

    def line(self, place: Place) -> int | None:
        """The line of a place; for an absent one, of the nearest table around it."""
        for length in range(len(place), 0, -1):
            if (line := self._lines.get(place[:length])) is not None:
                return line
        return None

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at][1] if at < len(self._tokens) else ""

    def _skip_newlines(self) -> None:
        while self._peek() == "\n":
            self._at += 1

    def _read_document(self) -> None:
        table: Place = ()
        while self._at < len(self._tokens):
            if self._peek() == "\n":
                self._at += 1
            elif self._peek() == "[":
                table = self._read_header()
            else:
                self._read_pair(table)

    def _read_header(self) -> Place:
        line = self._tokens[self._at][2]
        of_list = self._peek(1) == "["
        self._at += 2 if of_list else 1
        place: Place = ()
        keys = self._read_keys("]")
        self._at += 1 if of_list else 0
        for number, key in enumerate(keys, start=1):
            place += (key,)
            last = number == len(keys)
            if last:
                self._lines[place] = line
            else:
                self._lines.setdefault(place, line)
            if last and of_list:
                self._list_lengths[place] = self._list_lengths.get(place, 0) + 1
            if place in self._list_lengths:
                place += (str(self._list_lengths[place] - 1),)
                self._lines.setdefault(place, line)
        return place

    def _read_keys(self, end: str) -> list[str]:
        keys = []
        while self._at < len(self._tokens):
            kind, token, _ = self._tokens[self._at]
            self._at += 1
            if kind == "mark" and token == end:
                break
            if kind == "string":
                keys.append(str(tomllib.loads(f"key = {token}")["key"]))
            elif kind == "bare":
                keys.append(token)
        return keys

    def _read_pair(self, table: Place) -> None:
        line = self._tokens[self._at][2]
        place = table
        for key in self._read_keys("="):
            place += (key,)
            self._lines.setdefault(place, line)
        self._read_value(place)

    def _read_value(self, place: Place) -> None:
        opening = self._peek()
        if opening not in ("[", "{"):
            while self._at < len(self._tokens) and self._peek() not in (",", "]", "}", "\n"):
                self._at += 1
            return
        self._at += 1
        closing = "]" if opening == "[" else "}"
        number = 0
        while self._at < len(self._tokens):
            self._skip_newlines()
            if self._peek() == closing:
                self._at += 1
                return
            if self._peek() == ",":
                self._at += 1
            elif opening == "{":
                self._read_pair(place)
            else:
                element = (*place, str(number))
                self._lines.setdefault(element, self._tokens[self._at][2])
                self._read_value(element)
                number += 1
