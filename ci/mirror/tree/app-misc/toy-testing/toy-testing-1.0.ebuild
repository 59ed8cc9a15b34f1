# SPDX-License-Identifier: MIT
EAPI=8

DESCRIPTION="Three versions: stable, testing, and one without a keyword"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"

src_install() {
	insinto /usr/share/toy-testing
	newins - version <<< "${PV}"
}
