# SPDX-License-Identifier: MIT
# @ECLASS: pypi.eclass
# @BLURB: stand-in of Gentoo's: the sdist of the package's own name and version
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

SRC_URI="https://pypi.invalid/${PN}/${P}.tar.gz"
