# SPDX-License-Identifier: MIT
"""A definition with every key, a variant of it, the folders beside it, and what is left when most is taken back."""

from __future__ import annotations

from typing import Any

PATCH = "--- a/word\n+++ b/word\n@@ -1 +1 @@\n-as released\n+as patched\n"
LOCAL = """EAPI=8
DESCRIPTION="A package of the artifact's own, with a source archive"
HOMEPAGE="https://toy.invalid/"
SRC_URI="https://toy.invalid/toy-1.0.tar.gz"
S="${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"

src_compile() { :; }

src_install() {
	insinto /usr/share/toy-local
	newins - word <<< "local"
}
"""
FOLDERS = {
    "env/toy.conf": 'TOY_WORD="from env/"\n',
    "patches/app-misc/toy-made/1.patch": PATCH,
    "savedconfig/x86_64-pc-linux-gnu/app-misc/toy-made": "saved\n",
    "kernel/config.d/a.config": "CONFIG_A=all\n",
    "kernel/config.d/b.config": "CONFIG_B=all\nCONFIG_B2=all\n",
    "kernel/arch-x86_64/config.d/b.config": "CONFIG_B=x86_64\n",
    "kernel/arch-aarch64/config.d/c.config": "CONFIG_C=aarch64\n",
    "overlay/app-misc/toy-local/toy-local-1.0.ebuild": LOCAL,
}
UNITS = {
    "toy@.service": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
    "toy-plain.service": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
    "toy-tick.service": "[Service]\nExecStart=/bin/true\n",
    "toy-tick.timer": "[Timer]\nOnBootSec=1h\n[Install]\nWantedBy=timers.target\n",
    "toy-door.service": "[Service]\nExecStart=/bin/true\n",
    "toy-door.socket": "[Socket]\nListenStream=/run/toy\n[Install]\nWantedBy=sockets.target\n",
    "toy-big.service": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
}
BIG: dict[str, Any] = {
    "name": "toy-of-a-variant",
    "profile": "toy-more",
    "outfile": "{name}.{variant}.{arch}",
    "compression": "xz",
    "packages": ["-app-misc/toy-hen", "-media-libs/tiff", "-media-libs/libwebp", "-app-misc/toy-local"],
    "binpkg_excludes": ["app-misc/toy-use"],
    "accept_keywords": {"app-misc/toy-testing": "**"},
    "license": {"app-misc/toy-eula": ["@EULA"]},
    "users": [{"name": "full", "shell": "/bin/bash"}, "variant"],
    "groups": [{"name": "numbered", "gid": 4713}],
    "services": ["toy-big"],
    "setup_commands": ["echo variant >> /etc/order"],
    "devel": True,
    "arch": {
        "x86_64|i686": {"setup_commands": ["echo its arch >> /etc/order"], "buildtime_packages": ["app-misc/toy-mill"]},
        "aarch64": {"packages": ["app-misc/none"], "setup_commands": ["exit 1"]},
    },
}
DEFINITION: dict[str, Any] = {
    "packages": [
        *("app-misc/toy", "app-misc/toy-use", "app-misc/toy-testing", "app-misc/toy-eula", "app-misc/toy-made"),
        *("app-misc/toy-module", "app-misc/toy-local", "media-libs/tiff", "media-libs/libwebp"),
    ],
    "buildtime_packages": ["app-misc/toy-tool"],
    "buildtime_packages_first": True,
    "binpkg_excludes": "app-misc/toy-testing",
    "use": {
        "*/*": "global VIDEO_CARDS: nouveau virgl",
        "app-misc/toy-use": ["+plus", "list -default", "VIDEO_CARDS: -nouveau"],
        "media-libs/tiff": "webp",
        "media-libs/libwebp": "tiff",
        "app-misc/toy-made": "savedconfig",
    },
    "accept_keywords": {"app-misc/toy-testing": None},
    "license": {"app-misc/toy-eula": "demo-eula"},
    "env": {"app-misc/toy-made": "toy.conf"},
    "users": [
        "plain",
        {
            "name": "full",
            "uid": 4711,
            "comment": "All of it",
            "home": "/srv/full",
            "shell": "/bin/sh",
            "initial_group": "numbered",
            "additional_groups": "named, audio",
            "empty_password": True,
        },
        {"name": "homeless", "create_home": False, "additional_groups": ["named"]},
    ],
    "groups": ["named", {"name": "numbered", "gid": 4712}],
    "services": ["toy@one.service", "toy@two", "toy-plain", "toy-tick.timer", "toy-door.socket"],
    "setup_commands": ["echo first > /etc/order", "echo second >> /etc/order"],
    "circulardep_breaker": {"packages": ["app-misc/toy-egg"], "use": "-hen"},
    "include_commit_id": True,
    "arch": {
        "x86_64": {"packages": ["app-misc/toy-hen"], "setup_commands": ["echo arch >> /etc/order"]},
        "aarch64|riscv64": {"packages": ["app-misc/none"], "services": ["none"]},
    },
    "variants": {"big": BIG},
}
#: What is left in the update that takes everything back.
LESS: dict[str, Any] = {
    "packages": [f"app-misc/{name}" for name in ("toy", "toy-use", "toy-testing", "toy-made", "toy-module")],
    "accept_keywords": {"sys-kernel/toy-kernel": ["~amd64"]},
}
