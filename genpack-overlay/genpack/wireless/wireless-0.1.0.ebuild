# SPDX-License-Identifier: MIT

EAPI=8

DESCRIPTION="Wi-Fi and Bluetooth of a genpack image"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	genpack/base
	net-wireless/bluez
	net-wireless/hostapd
	net-wireless/iw
	net-wireless/wireless-regdb
	net-wireless/wpa_supplicant_any80211
"

src_install() {
	local plugin
	insinto /usr/lib/genpack-init
	for plugin in "${FILESDIR}"/plugins/*.py; do
		[[ -e ${plugin} ]] || continue
		doins "${plugin}"
	done
}
