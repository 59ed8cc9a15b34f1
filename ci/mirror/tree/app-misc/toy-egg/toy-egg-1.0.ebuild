# SPDX-License-Identifier: MIT
EAPI=8

DESCRIPTION="The other half: with USE=hen it can't be built without the hen"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
IUSE="+hen"

DEPEND="hen? ( app-misc/toy-hen )"

src_install() {
	insinto /usr/share/toy-egg
	newins - from <<< "$(usex hen 'a hen' 'nothing')"
}
