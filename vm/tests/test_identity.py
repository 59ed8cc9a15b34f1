# SPDX-License-Identifier: MIT
"""Names, CIDs and MAC addresses."""

from __future__ import annotations

import hashlib

import pytest
from genpack_vm import identity
from genpack_vm.errors import UsageError


@pytest.mark.parametrize("name", ["a", "hello", "_x", "0", "a.b-c_d", "x" * 63])
def test_names(name: str) -> None:
    assert identity.check_name(name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "x" * 64, "a/b", "a b", "ä", "a\n"])
def test_not_names(name: str) -> None:
    with pytest.raises(UsageError, match="is not a VM name"):
        identity.check_name(name)


def test_candidates() -> None:
    assert [identity.candidates("hello")(n) for n in range(3)] == ["hello", "hello-2", "hello-3"]
    assert all(identity.is_name(identity.candidates("x" * 63)(n)) for n in (0, 1, 999))
    for artifact in (None, "", "no/name"):
        name = identity.candidates(artifact)(0)
        assert name.startswith("host-")
        assert len(name) == 13


def test_cid_is_the_hash() -> None:
    digest = hashlib.sha256(b"1000:hello").digest()
    assert identity.cid(1000, "hello") == int.from_bytes(digest[:4], "big") % 4294967293 + 3


def test_cid_moves_on() -> None:
    first = identity.cid(0, "hello")
    assert identity.cid(0, "hello", {first}) == first + 1
    assert identity.cid(0, "hello", {first, first + 1}) == first + 2


def test_cid_skips_any_and_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed:
        def digest(self) -> bytes:
            return (4294967292).to_bytes(4, "big")  # + 3 is VMADDR_CID_ANY

    monkeypatch.setattr(identity.hashlib, "sha256", lambda data: Fixed())
    assert identity.cid(0, "x") == 3
    assert identity.cid(0, "x", {3}) == 4


def test_mac() -> None:
    tail = bytearray(hashlib.md5(b"hello:0").digest()[:3])
    tail[0] &= 0x7F
    assert identity.mac("hello", 0) == "52:54:00:" + tail.hex(":")
    assert identity.mac("hello", 1) != identity.mac("hello", 0)
