# SPDX-License-Identifier: MIT
EAPI=8

DESCRIPTION="Stand-in of Gentoo's: a file for the library, and its circle with media-libs/tiff"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
IUSE="tiff"

DEPEND="tiff? ( media-libs/tiff )"

src_install() {
	insinto /usr/share/${PN}
	newins - flags <<< "$(usex tiff tiff -tiff)"
}
