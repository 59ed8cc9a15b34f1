# SPDX-License-Identifier: MIT
import pytest
from genpack_mirror.names import gentoo_name, package_name, package_version


@pytest.mark.parametrize(
    ("debian", "pms"),
    [
        ("1:9.2p1-2+deb12u7", "9.2-r2"),
        ("252.39-1~deb12u1", "252.39-r1"),
        ("2.36-9+deb12u10", "2.36-r9"),
        ("6.1.147-1", "6.1.147-r1"),
        ("12.4+deb12u11", "12.4"),
        ("1.1.0~beta-0ubuntu1", "1.1.0"),
    ],
)
def test_versions_are_valid_for_portage(debian: str, pms: str) -> None:
    assert package_version(debian) == pms


def test_names() -> None:
    assert package_name("gcc-12") == "gcc_12"
    assert package_name("python3.11") == "python3_11"
    assert gentoo_name("libc6", {"libc6": "sys-libs/glibc"}) == "sys-libs/glibc"
    assert gentoo_name("libfoo1", {}) == "dev-debian/libfoo1"
