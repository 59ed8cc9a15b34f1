# SPDX-License-Identifier: MIT
# @ECLASS: python-single-r1.eclass
# @BLURB: stand-in of Gentoo's: a package for exactly one Python
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac
inherit python-utils-r1

IUSE="+python_single_target_python3_11"
PYTHON_REQUIRED_USE="python_single_target_python3_11"
PYTHON_SINGLE_USEDEP="python_single_target_python3_11(+)"

python-single-r1_pkg_setup() { python_setup; }

EXPORT_FUNCTIONS pkg_setup
