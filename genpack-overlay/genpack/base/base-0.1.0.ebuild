# SPDX-License-Identifier: MIT

EAPI=8

DESCRIPTION="What every genpack image needs"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
IUSE="+audit +banner +btrfs console-passwd +cron +logrotate +sshd +strace +tcpdump +vi +wireguard +xfs"
REQUIRED_USE="logrotate? ( cron )"

# Named outright although other packages need most of them: a dependency on what belongs to @system
# (libc, shell, the basic tools) is written in no ebuild, and what nobody names is not in the image.
# Python comes with genpack-init, whose eclass knows which one.
RDEPEND="
	|| (
		sys-kernel/gentoo-kernel-bin[initramfs]
		sys-kernel/gentoo-kernel[initramfs]
		sys-kernel/raspberrypi-image
	)
	app-arch/gzip
	app-arch/tar
	app-arch/unzip
	app-misc/ca-certificates
	app-shells/bash
	|| (
		app-alternatives/sh
		app-shells/dash
	)
	net-misc/iputils
	net-misc/rsync
	sys-apps/baselayout
	sys-apps/coreutils
	sys-apps/dbus
	sys-apps/findutils
	sys-apps/gawk
	sys-apps/genpack-init
	sys-apps/gentoo-systemd-integration
	sys-apps/grep
	sys-apps/iproute2
	sys-apps/kmod
	sys-apps/net-tools
	sys-apps/sed
	sys-apps/shadow
	sys-apps/systemd
	sys-apps/util-linux
	sys-apps/which
	sys-kernel/dracut-genpack
	sys-libs/glibc
	sys-libs/pam
	sys-libs/timezone-data
	sys-process/procps
	audit? ( sys-process/audit )
	btrfs? ( sys-fs/btrfs-progs )
	console-passwd? ( genpack/console-passwd )
	cron? ( sys-process/cronie )
	logrotate? ( app-admin/logrotate )
	sshd? ( net-misc/openssh )
	strace? ( dev-debug/strace )
	tcpdump? ( net-analyzer/tcpdump )
	vi? ( app-editors/vim )
	wireguard? (
		net-vpn/wg-genconf
		net-vpn/wireguard-tools
	)
	xfs? ( sys-fs/xfsprogs )
"
# The virtual carries the package script that makes kernel and initramfs.
RDEPEND+="
	|| (
		virtual/dist-kernel
		sys-kernel/raspberrypi-image
	)
"

src_install() {
	local plugin
	insinto /usr/lib/genpack-init
	for plugin in "${FILESDIR}"/plugins/*.py; do
		[[ ${plugin##*/} == *banner* ]] && ! use banner && continue
		doins "${plugin}"
	done
}
