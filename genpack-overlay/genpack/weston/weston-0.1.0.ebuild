# SPDX-License-Identifier: MIT

EAPI=8

DESCRIPTION="Weston desktop of a genpack image"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
IUSE="+greeter"

RDEPEND="
	app-i18n/fcitx-gtk
	app-i18n/mozc
	app-misc/wayland-utils
	dev-libs/weston
	dev-util/vulkan-tools
	gnome-base/librsvg
	gui-apps/wl-clipboard
	media-fonts/noto-cjk
	media-fonts/noto-emoji
	x11-apps/mesa-progs
	greeter? ( gui-apps/tuigreet )
"
