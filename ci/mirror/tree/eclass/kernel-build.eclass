# SPDX-License-Identifier: MIT
# @ECLASS: kernel-build.eclass
# @BLURB: stand-in of Gentoo's: the user's fragments of a kernel configuration
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

# kernel-build_merge_configs FILE...: fragments that are joined to .config, the user's own last
kernel-build_merge_configs() {
	local own
	shopt -s nullglob
	own=( "${BROOT}"/etc/kernel/config.d/*.config )
	shopt -u nullglob
	cat "$@" "${own[@]}" > .config || die
}
