# SPDX-License-Identifier: MIT
"""MySQL's data on the disk with the serial number `mysql`, else on the data partition."""

from genpack_init.data import bind_data


def configure() -> None:
    """Copied there at the first boot, mounted over the image's folder at each."""
    bind_data("mysql", "var/lib/mysql")
