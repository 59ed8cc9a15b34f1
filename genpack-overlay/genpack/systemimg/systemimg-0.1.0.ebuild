# SPDX-License-Identifier: MIT

EAPI=8

DESCRIPTION="Base of images that boot from a disk of their own"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
IUSE="baremetal"

RDEPEND="
	!!genpack/paravirt
	genpack/base
	genpack/genpack-install
	sys-apps/kbd
	baremetal? (
		|| (
			sys-kernel/linux-firmware
			sys-firmware/raspberrypi-wifi-ucode
		)
		sys-apps/dmidecode
		sys-apps/ethtool
		sys-apps/hdparm
		sys-apps/hwloc
		sys-apps/lm-sensors
		sys-apps/lshw
		sys-apps/nvme-cli
		sys-apps/pciutils
		sys-apps/smartmontools
		sys-apps/usb_modeswitch
		sys-apps/usbutils
		sys-fs/lsscsi
		sys-power/cpupower
		amd64? (
			app-misc/beep
			sys-apps/memtest86+
			sys-apps/msr-tools
		)
	)
"

src_install() {
	local plugin
	insinto /usr/lib/genpack-init
	for plugin in "${FILESDIR}"/plugins/*.py; do
		[[ -e ${plugin} ]] || continue
		[[ ${plugin##*/} == *memtest* ]] && { use baremetal && use amd64 || continue; }
		doins "${plugin}"
	done
}
