# SPDX-License-Identifier: MIT
EAPI=8

DESCRIPTION="A program that another toy needs while it is built, and only then"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"

src_install() {
	printf '#!/bin/sh\necho made\n' | newbin - ${PN}
}
