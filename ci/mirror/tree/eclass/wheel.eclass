# SPDX-License-Identifier: MIT
# @ECLASS: wheel.eclass
# @BLURB: install the pure Python wheel of SRC_URI
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

S="${WORKDIR}"
RESTRICT="strip test"
RDEPEND="dev-lang/python"
BDEPEND="dev-lang/python"

wheel_src_unpack() {
	python3 -m zipfile -e "${DISTDIR}/${A}" "${S}" || die
}

wheel_src_compile() { :; }

wheel_src_install() {
	local site
	site=$(DEB_PYTHON_INSTALL_LAYOUT=deb python3 -c 'import sysconfig; print(sysconfig.get_path("purelib", vars={"base": "/usr", "platbase": "/usr"}))') || die
	insinto "${site}"
	doins -r "${S}"/*
}

EXPORT_FUNCTIONS src_unpack src_compile src_install
