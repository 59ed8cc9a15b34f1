# SPDX-License-Identifier: MIT

EAPI=8

inherit systemd

DESCRIPTION="Media server for SRT, WebRTC, RTSP, RTMP and LL-HLS"
HOMEPAGE="https://github.com/bluenviron/mediamtx"
SRC_URI="
	amd64? ( https://github.com/bluenviron/mediamtx/releases/download/v${PV}/mediamtx_v${PV}_linux_amd64.tar.gz )
	arm64? ( https://github.com/bluenviron/mediamtx/releases/download/v${PV}/mediamtx_v${PV}_linux_arm64v8.tar.gz )
"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="-* amd64 arm64"

# The program is linked when it is released: one static file.
QA_PREBUILT="usr/bin/mediamtx"

src_install() {
	dobin mediamtx
	insinto /etc/mediamtx
	doins mediamtx.yml
	systemd_dounit "${FILESDIR}"/mediamtx.service
}
