# SPDX-License-Identifier: MIT
# @ECLASS: deb.eclass
# @BLURB: repackage the .deb files of SRC_URI
# @DESCRIPTION: DEB_REMOVE lists paths (relative to /) that are left out.
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

S="${WORKDIR}/image"
RESTRICT="strip test"

deb_src_unpack() {
	local archive member
	mkdir -p "${S}" || die
	for archive in ${A}; do
		member=$(ar t "${DISTDIR}/${archive}" | grep '^data\.tar') || die "${archive} has no data"
		ar p "${DISTDIR}/${archive}" "${member}" > "${T}/${member}" || die
		tar -C "${S}" -xf "${T}/${member}" || die
		rm "${T}/${member}" || die
	done
}

deb_src_prepare() {
	default
	local folder
	# merged /usr: a real /lib must never be merged over the link
	for folder in bin sbin lib lib32 lib64; do
		[[ -d ${folder} && ! -L ${folder} ]] || continue
		mkdir -p "usr/${folder}" && cp -a "${folder}/." "usr/${folder}/" && rm -rf "${folder}" || die
	done
	rm -rf usr/share/{doc,man,lintian,locale,info,bug,doc-base,initramfs-tools} || die
	rm -rf etc/{init.d,cron.d,cron.daily,cron.weekly,ufw,insserv.conf.d,apt,dpkg} || die
	for folder in ${DEB_REMOVE}; do
		rm -rf ${folder} || die
	done
	find . -type d -empty -path './etc/*' -delete || die
}

deb_src_configure() { :; }
deb_src_compile() { :; }

deb_src_install() {
	cp -a . "${ED}/" || die
}

EXPORT_FUNCTIONS src_unpack src_prepare src_configure src_compile src_install
