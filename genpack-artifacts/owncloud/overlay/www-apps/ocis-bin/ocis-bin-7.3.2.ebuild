# SPDX-License-Identifier: MIT

EAPI=8

DESCRIPTION="ownCloud Infinite Scale: files, shares and an identity provider in one program"
HOMEPAGE="https://owncloud.dev/ocis/"
SRC_URI="
	amd64? (
		https://github.com/owncloud/ocis/releases/download/v${PV}/ocis-${PV}-linux-amd64
	)
	arm64? (
		https://github.com/owncloud/ocis/releases/download/v${PV}/ocis-${PV}-linux-arm64
	)
"
S="${WORKDIR}"

# The source is Apache-2.0; what is released as a program is under an end-user licence agreement.
LICENSE="all-rights-reserved"
SLOT="0"
KEYWORDS="-* amd64 arm64"
RESTRICT="bindist mirror strip"

QA_PREBUILT="usr/bin/ocis"

# SHA-256 of the released files, as nixpkgs pins them for its package ocis_73-bin. This folder has no Manifest: one is made
# of what is downloaded when the image is built, so it could not tell.
SUM_amd64=812e441982683d94239077f8f21e3e9dce71415d3d90446bd7ad596c49c223b9
SUM_arm64=fa29675b5e131bfdf75305994cd02d56b7331e6309470a0c5dfec3b8e8b5b082

src_unpack() {
	local sum=SUM_${ARCH}
	echo "${!sum}  ${DISTDIR}/${A}" | sha256sum --check --status ||
		die "${A} is not the file that this ebuild was written for"
}

src_install() {
	newbin "${DISTDIR}/${A}" ocis
}
