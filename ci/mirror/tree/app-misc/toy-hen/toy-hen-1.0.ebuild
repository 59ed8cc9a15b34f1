# SPDX-License-Identifier: MIT
EAPI=8

DESCRIPTION="One half of a circle: it can't be built without the egg"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"

DEPEND="app-misc/toy-egg"

src_install() {
	insinto /usr/share/toy-hen
	newins - from < "${ESYSROOT}/usr/share/toy-egg/from"
}
