# SPDX-License-Identifier: MIT
EAPI=8

inherit toolchain-funcs

DESCRIPTION="The toy with a source that no compiler takes: what a failed package looks like"
HOMEPAGE="https://toy.invalid/"
SRC_URI="https://toy.invalid/toy-${PV}.tar.gz"
S="${WORKDIR}/toy-${PV}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"

src_compile() {
	emake CC="$(tc-getCC)" CFLAGS="${CFLAGS} -DBROKEN"
}
