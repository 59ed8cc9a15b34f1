# SPDX-License-Identifier: MIT

EAPI=8

inherit systemd

DESCRIPTION="Unit that gives the host a TCP port of a virtual machine over vsock"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	net-misc/socat
"

src_install() {
	systemd_newunit "${FILESDIR}"/socat-vsock_at.service socat-vsock@.service
}
