# SPDX-License-Identifier: MIT
EAPI=8

inherit fcaps toolchain-funcs

DESCRIPTION="A small C program with every kind of file that an image keeps or leaves out"
HOMEPAGE="https://toy.invalid/"
SRC_URI="https://toy.invalid/${P}.tar.gz"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
IUSE="loud"

FILECAPS=( cap_net_raw+ep usr/bin/toy-cap )

src_compile() {
	tc-export CC AR
	emake CC="${CC}" AR="${AR}" CFLAGS="${CFLAGS} $(usex loud -DLOUD '')"
}

src_install() {
	emake DESTDIR="${D}" LIBDIR="/usr/$(get_libdir)" install
	fperms 4755 /usr/bin/toy
}
