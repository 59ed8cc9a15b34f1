# SPDX-License-Identifier: MIT
# @ECLASS: savedconfig.eclass
# @BLURB: stand-in of Gentoo's: a user's configuration file below /etc/portage/savedconfig
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

# restore_config FILE: with USE=savedconfig, the user's file for this package replaces FILE
restore_config() {
	use savedconfig || return 0
	local place name
	for place in "${CTARGET:-${CHOST}}" "${CHOST}" ""; do
		for name in "${PF}" "${P}" "${PN}"; do
			name=${PORTAGE_CONFIGROOT%/}/etc/portage/savedconfig/${place:+${place}/}${CATEGORY}/${name}
			[[ -f ${name} ]] || continue
			einfo "configuration: ${name}"
			cp "${name}" "$1" || die
			return 0
		done
	done
	die "USE=savedconfig, and no configuration is saved"
}

# save_config FILE: installs the configuration that was used, to start a user's own from
save_config() (
	insinto "/etc/portage/savedconfig/${CATEGORY}"
	newins "$1" "${PF}"
)
