"""The contract of Stripe's API: which operation a request is, and whether a value keeps its schema."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

__all__ = ["Contract", "Operation", "nested"]

_FILE = Path(__file__).with_name("contract.json")
_KEY = re.compile(r"[^\[\]]+")
Schema = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One of the API's operations; `name` is like payment_intents.confirm."""

    name: str
    pattern: re.Pattern[str]
    method: str
    asks: Schema
    answers: Schema


def nested(form: str) -> dict[str, Any]:
    """A form body as Stripe reads it: a[b][0]=x becomes {"a": {"b": ["x"]}}."""
    whole: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        parts = _KEY.findall(name)
        inner = whole
        for part in parts[:-1]:
            inner = inner.setdefault(part, {})
        inner[parts[-1]] = value
    return {name: _with_lists(value) for name, value in whole.items()}


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(each) for name, each in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


class Contract:
    """contract.json, read once."""

    def __init__(self) -> None:
        whole = json.loads(_FILE.read_text(encoding="utf-8"))
        self._schemas: dict[str, Schema] = whole["components"]["schemas"]
        self.error: Schema = {"$ref": "#/components/schemas/error"}
        self.event: Schema = {"$ref": "#/components/schemas/event"}
        self.operations = [
            self._operation(path, method, spec)
            for path, methods in whole["paths"].items()
            for method, spec in methods.items()
        ]

    def _operation(self, path: str, method: str, spec: Schema) -> Operation:
        words = [part for part in path.split("/")[2:] if not part.startswith("{")]
        verb = spec["operationId"]
        if words[-1] == verb:
            words.pop()
        if method == "post":
            content = spec["requestBody"]["content"]["application/x-www-form-urlencoded"]
            asks = content["schema"]
        else:
            asks = spec.get("x-query") or {"type": "object", "additionalProperties": False}
        return Operation(
            name=".".join([*words, verb]),
            pattern=re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)),
            method=method.upper(),
            asks=asks,
            answers=spec["responses"]["200"]["content"]["application/json"]["schema"],
        )

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation of a request, with the ids in its path."""
        for operation in self.operations:
            match = operation.pattern.fullmatch(path)
            if match and operation.method == method:
                return operation, match.groupdict()
        return None

    def read(self, schema: Schema, value: Any) -> tuple[Any, list[str]]:
        """A value of a form, every text as the type that its schema wants, and what is wrong."""
        return self._read(schema, value, "")

    def _read(self, schema: Schema, value: Any, at: str) -> tuple[Any, list[str]]:
        schema = self._resolve(schema)
        if "anyOf" in schema:
            tries = [self._read(option, value, at) for option in schema["anyOf"]]
            good = [read for read in tries if not read[1]]
            return good[0] if good else min(tries, key=lambda read: len(read[1]))
        if "enum" in schema:
            return value, [] if value in schema["enum"] else [f"{at}: {value!r} is not offered"]
        kind = schema.get("type")
        if kind == "object":
            return self._read_object(schema, value, at)
        if kind == "array":
            if not isinstance(value, list):
                return value, [f"{at}: no list"]
            read = [
                self._read(schema.get("items", {}), each, f"{at}[{n}]")
                for n, each in enumerate(value)
            ]
            return [each for each, _ in read], [line for _, lines in read for line in lines]
        if not isinstance(value, str):
            return value, [f"{at}: no {kind}"]
        if kind == "integer":
            right = re.fullmatch(r"-?[0-9]+", value)
            return (int(value), []) if right else (value, [f"{at}: {value!r} is no integer"])
        if kind == "boolean":
            right = value in {"true", "false"}
            return value == "true", [] if right else [f"{at}: {value!r} is no boolean"]
        if kind == "number":
            return value, [] if re.fullmatch(r"-?[0-9.]+", value) else [f"{at}: no number"]
        return value, []

    def _read_object(self, schema: Schema, value: Any, at: str) -> tuple[Any, list[str]]:
        if not isinstance(value, dict):
            return value, [f"{at}: no object"]
        known = schema.get("properties", {})
        others = schema.get("additionalProperties", not known)
        result: dict[str, Any] = {}
        wrong = [
            f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value
        ]
        for name, each in value.items():
            if name in known:
                result[name], lines = self._read(known[name], each, f"{at}.{name}")
            elif isinstance(others, dict):
                result[name], lines = self._read(others, each, f"{at}.{name}")
            else:
                result[name], lines = each, [] if others else [f"{at}.{name} is unknown"]
            wrong += lines
        return result, wrong

    def check(self, schema: Schema, value: Any, at: str = "") -> list[str]:
        """What is wrong with an answer; a property that the contract does not know is wrong, too."""
        schema = self._resolve(schema)
        if "anyOf" in schema:
            tries = [self.check(option, value, at) for option in schema["anyOf"]]
            return [] if any(not lines for lines in tries) else max(tries, key=len)
        if "enum" in schema:
            return [] if value in schema["enum"] else [f"{at}: {value!r} is not offered"]
        kind = schema.get("type")
        types: dict[Any, Any] = {
            "object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
            "number": (int, float), "null": type(None),
        }  # fmt: skip
        if kind in types:
            as_number = isinstance(value, bool) and kind in {"integer", "number"}
            if not isinstance(value, types[kind]) or as_number:
                return [f"{at}: {value!r} is no {kind}"]
        if kind == "array":
            return [
                line
                for n, each in enumerate(value)
                for line in self.check(schema.get("items", {}), each, f"{at}[{n}]")
            ]
        if kind != "object":
            return []
        known = schema.get("properties", {})
        others = schema.get("additionalProperties", not known)
        wrong = [
            f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value
        ]
        for name, each in value.items():
            if name in known:
                wrong += self.check(known[name], each, f"{at}.{name}")
            elif isinstance(others, dict):
                wrong += self.check(others, each, f"{at}.{name}")
            elif not others:
                wrong.append(f"{at}.{name} is unknown")
        return wrong

    def _resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rsplit("/", 1)[-1]]
        return schema
