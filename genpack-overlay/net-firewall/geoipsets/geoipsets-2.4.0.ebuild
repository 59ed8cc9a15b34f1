# SPDX-License-Identifier: MIT

EAPI=8

DISTUTILS_USE_PEP517=setuptools
PYTHON_COMPAT=( python3_{11..14} )
inherit distutils-r1 pypi systemd

DESCRIPTION="Address ranges of countries, for nftables and for iptables with ipset"
HOMEPAGE="https://github.com/chr0mag/geoipsets"

LICENSE="GPL-3"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	dev-python/beautifulsoup4[${PYTHON_USEDEP}]
	dev-python/requests[${PYTHON_USEDEP}]
"

python_install_all() {
	distutils-r1_python_install_all
	systemd_dounit "${FILESDIR}"/update-geoipsets.{service,timer}
}
