# SPDX-License-Identifier: MIT
EAPI=8

DESCRIPTION="A file under a licence that must be accepted"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="demo-eula"
SLOT="0"
KEYWORDS="amd64"

src_install() {
	insinto /usr/share/toy-eula
	newins - terms <<< "accepted"
}
