# SPDX-License-Identifier: MIT

EAPI=8

inherit systemd

DESCRIPTION="Base of images for virtual machines"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	!!genpack/systemimg
	app-emulation/qemu-guest-agent
	genpack/base
	net-misc/sock-forward
	net-misc/socat
	sys-libs/liburing
"

src_install() {
	insinto /usr/lib/genpack-init
	doins "${FILESDIR}"/plugins/*.py
	# systemd 256 and later makes units of these names itself, and its own come first.
	systemd_dounit "${FILESDIR}"/sshd-vsock.socket
	systemd_newunit "${FILESDIR}"/sshd-vsock_at.service sshd-vsock@.service
	insinto /usr/lib/udev/rules.d
	doins "${FILESDIR}"/90-genpack-vsock.rules
}
