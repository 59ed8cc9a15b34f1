# SPDX-License-Identifier: MIT
# @ECLASS: autotools.eclass
# @BLURB: stand-in of Gentoo's: autoreconf
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

eautoreconf() { autoreconf -fi || die "autoreconf failed"; }
