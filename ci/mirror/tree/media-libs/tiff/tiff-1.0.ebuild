# SPDX-License-Identifier: MIT
EAPI=8

DESCRIPTION="Stand-in of Gentoo's: a file for the library, and its circle with media-libs/libwebp"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
IUSE="webp"

DEPEND="webp? ( media-libs/libwebp )"

src_install() {
	insinto /usr/share/${PN}
	newins - flags <<< "$(usex webp webp -webp)"
}
