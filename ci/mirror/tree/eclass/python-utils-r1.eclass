# SPDX-License-Identifier: MIT
# @ECLASS: python-utils-r1.eclass
# @BLURB: stand-in of Gentoo's: the one Python of the stand-in stage3
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

EPYTHON=python3.11
PYTHON=/usr/bin/${EPYTHON}
PYTHON_DEPS="dev-lang/python"
PYTHON_USEDEP="python_targets_python3_11(+)"

# Debian's Python would install below /usr/local otherwise
export DEB_PYTHON_INSTALL_LAYOUT=deb

python_setup() { :; }
python_gen_cond_dep() { echo "${1//\$\{PYTHON_USEDEP\}/${PYTHON_USEDEP}}"; }
python_get_sitedir() {
	"${PYTHON}" -c 'import sysconfig; print(sysconfig.get_path("purelib", vars={"base": "/usr", "platbase": "/usr"}))'
}
python_domodule() (
	insinto "$(python_get_sitedir)"
	doins -r "$@"
)

# python_optimize [FOLDER]: byte-code for what lies there. Not by time stamp: an image's times are clamped.
python_optimize() {
	local folder=${1:-${D}$(python_get_sitedir)}
	"${PYTHON}" -m compileall -q -s "${D}" --invalidation-mode unchecked-hash "${folder}" || die "byte-compiling failed"
}

# python_fix_shebang PATH...: the scripts at or below PATH name the interpreter outright
python_fix_shebang() {
	local file
	while read -r file; do
		sed -i -E "1s,^#! ?(/usr/bin/env |/usr/bin/)python[0-9.]*,#!${PYTHON}," "${file}" || die
	done < <(find "$@" -type f)
}
