# SPDX-License-Identifier: MIT
"""Docker's data on the disk with the serial number `docker`, else on the data partition."""

from genpack_init.data import bind_data


def configure() -> None:
    """Copied there at the first boot, mounted over the image's folder at each."""
    bind_data("docker", "var/lib/docker")
