# SPDX-License-Identifier: MIT
# @ECLASS: distutils-r1.eclass
# @BLURB: stand-in of Gentoo's: a PEP 517 build for the one Python of the stand-in stage3
# @DESCRIPTION: DISTUTILS_USE_PEP517 names the build back end, DISTUTILS_ARGS its options (scikit-build-core: CMake's).
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac
: "${DISTUTILS_USE_PEP517:?}"

inherit python-utils-r1

if [[ ${DISTUTILS_SINGLE_IMPL} ]]; then
	IUSE="+python_single_target_python3_11"
	PYTHON_REQUIRED_USE="python_single_target_python3_11"
else
	IUSE="+python_targets_python3_11"
	PYTHON_REQUIRED_USE="python_targets_python3_11"
fi
RESTRICT="test"
RDEPEND="${PYTHON_DEPS}"
BDEPEND="${PYTHON_DEPS} dev-python/gpep517"
case ${DISTUTILS_USE_PEP517} in
	hatchling) BDEPEND+=" dev-python/hatchling"; _DISTUTILS_BACKEND=hatchling.build ;;
	scikit-build-core)
		BDEPEND+=" dev-python/scikit-build-core dev-build/cmake dev-build/ninja"
		_DISTUTILS_BACKEND=scikit_build_core.build ;;
	setuptools) BDEPEND+=" dev-python/setuptools"; _DISTUTILS_BACKEND=setuptools.build_meta ;;
	*) die "${ECLASS}: the stand-in knows no back end ${DISTUTILS_USE_PEP517}" ;;
esac

distutils-r1_python_compile() {
	local config=() word wheel
	for word in "${DISTUTILS_ARGS[@]}"; do
		config+=( "${word}" )
	done
	mkdir -p "${WORKDIR}/wheel" || die
	local json='{}'
	if [[ ${DISTUTILS_USE_PEP517} == scikit-build-core ]]; then
		json=$("${PYTHON}" -c 'import json, sys; print(json.dumps({"cmake.args": ";".join(sys.argv[1:]), "cmake.build-type": "", "build.verbose": "true"}))' "${config[@]}") || die
	fi
	"${PYTHON}" -m gpep517 build-wheel --backend "${_DISTUTILS_BACKEND}" --config-json "${json}" \
		--output-fd 3 --wheel-dir "${WORKDIR}/wheel" 3> "${T}/wheel-name" >&2 || die "the wheel was not built"
}

distutils-r1_python_install() {
	local wheel
	wheel=$(< "${T}/wheel-name") || die
	"${PYTHON}" -m gpep517 install-wheel --destdir "${D}" --interpreter "${PYTHON}" --prefix "${EPREFIX}/usr" \
		"${WORKDIR}/wheel/${wheel}" || die "the wheel was not installed"
	python_optimize
}

distutils-r1_python_install_all() {
	einstalldocs
}

distutils-r1_src_configure() {
	if declare -f python_configure_all > /dev/null; then python_configure_all; fi
}

distutils-r1_src_compile() {
	if declare -f python_compile > /dev/null; then python_compile; else distutils-r1_python_compile; fi
}

distutils-r1_src_install() {
	if declare -f python_install > /dev/null; then python_install; else distutils-r1_python_install; fi
	if declare -f python_install_all > /dev/null; then python_install_all; else distutils-r1_python_install_all; fi
}

EXPORT_FUNCTIONS src_configure src_compile src_install
