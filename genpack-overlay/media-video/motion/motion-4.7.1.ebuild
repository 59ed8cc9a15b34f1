# SPDX-License-Identifier: MIT

EAPI=8

inherit autotools systemd

DESCRIPTION="Watches video of cameras and acts when something moves"
HOMEPAGE="https://motion-project.github.io/"
SRC_URI="https://github.com/Motion-Project/${PN}/archive/refs/tags/release-${PV}.tar.gz -> ${P}.tar.gz"
S="${WORKDIR}/${PN}-release-${PV}"

LICENSE="GPL-2+"
SLOT="0"
KEYWORDS="amd64 arm64 riscv"
IUSE="mariadb mysql postgres +sqlite +webp"

RDEPEND="
	acct-group/motion
	acct-user/motion
	media-libs/libjpeg-turbo:=
	media-libs/libv4l
	media-video/ffmpeg:=
	net-libs/libmicrohttpd:=
	mariadb? ( dev-db/mariadb-connector-c:= )
	mysql? ( dev-db/mysql-connector-c:= )
	postgres? ( dev-db/postgresql:= )
	sqlite? ( dev-db/sqlite:3 )
	webp? ( media-libs/libwebp:= )
"
DEPEND="${RDEPEND}"
BDEPEND="virtual/pkgconfig"

src_prepare() {
	default
	eautoreconf
}

src_configure() {
	local myconf=(
		$(use_with mariadb)
		$(use_with mysql)
		$(use_with postgres pgsql)
		$(use_with sqlite sqlite3)
		$(use_with webp)
	)
	econf "${myconf[@]}"
}

src_install() {
	emake DESTDIR="${D}" docdir="${EPREFIX}/usr/share/doc/${PF}" \
		examplesdir="${EPREFIX}/usr/share/doc/${PF}/examples" install
	systemd_dounit "${FILESDIR}"/motion.service
}
