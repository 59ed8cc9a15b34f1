# SPDX-License-Identifier: MIT
EAPI=8

inherit savedconfig

DESCRIPTION="Files that depend on how it is built: user patches, a saved configuration, package.env"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
IUSE="savedconfig"

BDEPEND="app-misc/toy-tool"

src_unpack() {
	echo "as released" > word || die
	echo "the default" > config || die
}

src_configure() {
	restore_config config
	toy-tool > tool || die
}

src_compile() { :; }

src_install() {
	echo "${TOY_WORD:-none}" > env || die
	insinto /usr/share/toy-made
	doins word config env tool
	save_config config
}
