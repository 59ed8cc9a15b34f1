# SPDX-License-Identifier: MIT

EAPI=8

inherit systemd

DESCRIPTION="RTSP server for the pictures of a camera (V4L2)"
HOMEPAGE="https://github.com/mpromonet/v4l2rtspserver"
SRC_URI="
	amd64? (
		https://github.com/mpromonet/v4l2rtspserver/releases/download/v${PV}/${P}-Linux-x86_64-Release.deb
	)
"
S="${WORKDIR}"

LICENSE="Unlicense"
SLOT="0"
KEYWORDS="-* amd64"

# Linked when it is released, against the libssl of that time.
RDEPEND="dev-libs/openssl-compat"

QA_PREBUILT="usr/bin/v4l2rtspserver"

src_unpack() {
	default
	unpack ./data.tar.*
}

src_install() {
	dobin usr/local/bin/v4l2rtspserver
	insinto /usr/share
	doins -r usr/local/share/v4l2rtspserver
	systemd_dounit "${FILESDIR}"/v4l2rtspserver.service
}
