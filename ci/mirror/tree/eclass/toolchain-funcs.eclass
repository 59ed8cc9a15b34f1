# SPDX-License-Identifier: MIT
# @ECLASS: toolchain-funcs.eclass
# @BLURB: stand-in of Gentoo's: the names of the tools
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

tc-getCC() { echo "${CC:-gcc}"; }
tc-getCXX() { echo "${CXX:-g++}"; }
tc-getAR() { echo "${AR:-ar}"; }
tc-getRANLIB() { echo "${RANLIB:-ranlib}"; }
tc-getPKG_CONFIG() { echo "${PKG_CONFIG:-pkg-config}"; }
tc-export() {
	local name
	for name; do
		export "${name}=$(tc-get${name})"
	done
}
