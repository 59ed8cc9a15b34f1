# SPDX-License-Identifier: MIT
# @ECLASS: genpack-ignore.eclass
# @MAINTAINER:
# genpack developers <genpack@genpack.invalid>
# @SUPPORTED_EAPIS: 8
# @BLURB: marks a package that builds an image and is never part of it
# @DESCRIPTION:
# A package that inherits this eclass is left out of the runtime closure, with whatever only it needs.
# There is nothing to call: the closure reads the name of the eclass in the INHERITED of the installed package.

case ${EAPI} in
	8) ;;
	*) die "${ECLASS}: EAPI ${EAPI:-0} not supported" ;;
esac
