# SPDX-License-Identifier: MIT
"""Package atoms."""

from __future__ import annotations

import pytest
from genpack.atoms import advice, is_atom, is_map_atom

GOOD = """app-misc/toy =app-misc/toy-1.0 >=dev-lang/python-3.11.2-r1:3.11 ~sys-kernel/gentoo-kernel-6.1.0 =a-b/c-1*
dev-libs/glib:2= dev-lang/php:*::gentoo x11-libs/gtk+:3[wayland,-X,introspection(+)?] virtual/jdk:17/17
media-libs/libpng:0/16= app-misc/foo-2bar <sys-apps/a_b-1_rc2_p3 dev-libs/libpcre2 app-arch/p7zip-x86_64 a/font-10x20"""
BAD = """toy app-misc/ /toy app-misc/toy-1.0 =app-misc/toy >=app-misc/toy-1* !app-misc/toy app-misc/toy::
app-misc/toy[ */* app-misc/toy:a/b/c app-misc/toy-1.0-r2 -app-misc/toy @set =app-misc/toy-1-1 =app-misc/toy-1.*"""


@pytest.mark.parametrize("text", GOOD.split())
def test_good(text: str) -> None:
    assert is_atom(text)
    assert is_map_atom(text)


@pytest.mark.parametrize("text", [*BAD.split(), "", "a b/c", "a/b\n", "a/" + "b" * 300])
def test_bad(text: str) -> None:
    assert not is_atom(text)
    assert advice(text)


@pytest.mark.parametrize("text", ["*/*", "dev-lang/*", "*/python", "sys-*/x*", "*/*::genpack-overlay", "=*/*-*9999*:3"])
def test_wildcards_in_maps(text: str) -> None:
    assert is_map_atom(text)


@pytest.mark.parametrize("text", ["**/*", "*", "a/*/b", "*/*[x]", "*/*.b", "=*/b-1", "a/b-1:*"])
def test_no_wildcards(text: str) -> None:
    assert not is_map_atom(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [("vim", "category/package"), ("=a/b", "needs a version"), ("a/b-1.0", "needs an operator"), ("a/b[", "write")],
)
def test_advice(text: str, words: str) -> None:
    assert words in advice(text)
