# SPDX-License-Identifier: MIT
EAPI=8

DESCRIPTION="A file that tells the USE flags it was built with"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
IUSE="global +default list plus video_cards_nouveau video_cards_virgl"

BDEPEND="app-misc/toy-mill"

src_install() {
	local flag
	for flag in ${IUSE//+/}; do
		usex "${flag}" "${flag}" "-${flag}" >> flags || die
	done
	insinto /usr/share/toy-use
	doins flags
}
