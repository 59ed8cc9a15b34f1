# SPDX-License-Identifier: MIT
# @ECLASS: fcaps.eclass
# @BLURB: stand-in of Gentoo's: file capabilities, set when the package is merged
# @DESCRIPTION: FILECAPS=( caps path ... -- caps path ... ), paths relative to EROOT.
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

BDEPEND="sys-libs/libcap"

fcaps() {
	local caps=$1 path
	shift
	for path; do
		[[ ${path} == /* ]] || path="${EROOT}/${path}"
		setcap "${caps}" "${path}" || die "setcap ${caps} ${path}"
	done
}

fcaps_pkg_postinst() {
	local word group=()
	for word in "${FILECAPS[@]}" --; do
		if [[ ${word} == -- ]]; then
			[[ ${#group[@]} -gt 0 ]] && fcaps "${group[@]}"
			group=()
		else
			group+=( "${word}" )
		fi
	done
}

EXPORT_FUNCTIONS pkg_postinst
