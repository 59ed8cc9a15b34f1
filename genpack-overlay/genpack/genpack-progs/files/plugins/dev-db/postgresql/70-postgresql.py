# SPDX-License-Identifier: MIT
"""PostgreSQL's data on the disk with the serial number `postgresql`, else on the data partition."""

from genpack_init.data import bind_data


def configure() -> None:
    """Copied there at the first boot, mounted over the image's folder at each."""
    bind_data("postgresql", "var/lib/postgresql")
