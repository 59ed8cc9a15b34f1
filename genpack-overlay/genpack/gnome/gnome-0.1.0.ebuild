# SPDX-License-Identifier: MIT

EAPI=8

DESCRIPTION="GNOME desktop of a genpack image"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64"
IUSE="+mozc"

RDEPEND="
	app-misc/evtest
	dev-util/vulkan-tools
	gnome-base/gnome
	media-fonts/noto-cjk
	media-fonts/noto-emoji
	net-misc/gnome-remote-desktop
	x11-apps/mesa-progs
	mozc? ( app-i18n/mozc )
"
