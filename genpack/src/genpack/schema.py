# SPDX-License-Identifier: MIT
"""`genpack schema`: the JSON Schema (draft 2020-12) of a definition, made from the table of keys.

An editor that knows it completes keys, shows what they mean and marks wrong values. It says what a value's form must
be; what needs the whole file or other files (names given twice, variants, profiles) is left to `genpack check`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from genpack.arch import ARCHES
from genpack.keys import IGNORED, KEYS, STRUCTURE, Key
from genpack.shapes import whole
from genpack.values import FILE_NAME

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, object]:
    """The schema of the whole file."""
    everywhere = {name for name, key in KEYS.items() if key.in_arch}
    in_variant = {name for name, key in KEYS.items() if key.in_variant}
    top = _layer(KEYS, STRUCTURE, "Definition of an operating system image.")
    ignored = {name: {"description": "Means nothing any more.", "deprecated": True} for name in IGNORED}
    return {
        "$schema": DIALECT,
        "title": "genpack.json5",
        **top,
        "properties": {**top["properties"], **ignored},  # type: ignore[dict-item]  # _layer's own object
        "$defs": {
            **{name: _key(name, key) for name, key in KEYS.items()},
            "arch": _arch(),
            "variants": _variants(),
            "default_variant": {
                "title": "default_variant",
                "description": STRUCTURE["default_variant"][2],
                **whole(FILE_NAME.pattern),
            },
            "in_arch": _layer(everywhere, (), "Merged for this architecture."),
            "in_variant": _layer(in_variant, ("arch",), "Merged for this variant."),
        },
    }


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False)


def _key(name: str, key: Key) -> dict[str, object]:
    try:
        default = {"default": json.loads(key.default)}
    except ValueError:  # words: no constant
        default = {}
    return {"title": name, "description": f"{key.text} Merge: {key.merge}.", **default, **key.shape.schema}


def _layer(keys: Iterable[str], others: Iterable[str], text: str) -> dict[str, object]:
    properties = {name: {"$ref": f"#/$defs/{name}"} for name in (*(key for key in KEYS if key in set(keys)), *others)}
    return {"type": "object", "description": text, "properties": properties, "additionalProperties": False}


def _arch() -> dict[str, object]:
    names = "|".join(ARCHES)
    return {
        "title": "arch",
        "description": STRUCTURE["arch"][2],
        "type": "object",
        "propertyNames": whole(rf" *(?:{names}) *(?:\| *(?:{names}) *)*"),
        "properties": {name: {"$ref": "#/$defs/in_arch"} for name in ARCHES},
        "additionalProperties": {"$ref": "#/$defs/in_arch"},
    }


def _variants() -> dict[str, object]:
    from genpack.definition import reserved_variants

    names = {"allOf": [whole(FILE_NAME.pattern), {"not": {"enum": sorted(reserved_variants())}}]}
    layer = {"$ref": "#/$defs/in_variant"}
    return {
        "title": "variants",
        "description": STRUCTURE["variants"][2],
        "type": "object",
        "propertyNames": names,
        "additionalProperties": layer,
    }
