# SPDX-License-Identifier: MIT
"""Gentoo's licence names as SPDX licence expressions.

A name without an exact counterpart on the SPDX list (version 3) becomes LicenseRef-gentoo-NAME, whose text the
document carries. That goes for names that Gentoo uses for several texts as well (Artistic, GPL-2-with-exceptions).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from genpack import depstring

#: Names that mean the same in both.
_SAME = frozenset({
    "0BSD", "AFL-2.1", "AFL-3.0", "AMPAS", "Aladdin", "Apache-1.0", "Apache-1.1", "Apache-2.0", "BSD-2-Clause-Patent",
    "BUSL-1.1", "CC-BY-1.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-NC-2.0", "CC-BY-NC-3.0",
    "CC-BY-NC-4.0", "CC-BY-NC-ND-2.0", "CC-BY-NC-ND-2.5", "CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-1.0",
    "CC-BY-NC-SA-2.5", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-2.5", "CC-BY-ND-3.0", "CC-BY-ND-4.0",
    "CC-BY-SA-1.0", "CC-BY-SA-2.0", "CC-BY-SA-2.5", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0", "CDDL-1.1",
    "CDLA-Permissive-2.0", "CPAL-1.0", "CPL-1.0", "ECL-2.0", "EPL-1.0", "EPL-2.0", "EUPL-1.1", "EUPL-1.2", "ErlPL-1.1",
    "FSFAP", "FSFUL", "FSFULLR", "FTL", "Glulxe", "HPND", "IJG", "ISC", "Info-ZIP", "JSON", "LPPL-1.2", "LPPL-1.3c",
    "MIT", "MIT-0", "MPL-1.0", "MPL-1.1", "MPL-2.0", "MirOS", "NPL-1.1", "OFL-1.1", "OSL-1.1", "OSL-2.0", "OSL-2.1",
    "PHP-3.01", "QPL-1.0", "Ruby", "SGI-B-2.0", "Sendmail", "Sleepycat", "Unicode-3.0", "Unicode-DFS-2016", "Unlicense",
    "VOSTROM", "W3C", "Watcom-1.0", "Zend-2.0", "curl", "gnuplot", "libtiff", "mpich2", "psutils",
})  # fmt: skip
_OTHER = {
    "APSL-2": "APSL-2.0",
    "Apache-2.0-with-LLVM-exceptions": "Apache-2.0 WITH LLVM-exception",
    "Artistic-2": "Artistic-2.0",
    "BEER-WARE": "Beerware",
    "BSD": "BSD-3-Clause",
    "BSD-1": "BSD-1-Clause",
    "BSD-2": "BSD-2-Clause",
    "BSD-2-with-patent": "BSD-2-Clause-Patent",
    "BSD-2-with-views": "BSD-2-Clause-Views",
    "BSD-4": "BSD-4-Clause",
    "BSD-with-attribution": "BSD-3-Clause-Attribution",
    "BZIP2": "bzip2-1.0.6",
    "Boost-1.0": "BSL-1.0",
    "CDDL": "CDDL-1.0",
    "CPOL": "CPOL-1.02",
    "CeCILL-2": "CECILL-2.0",
    "CeCILL-B": "CECILL-B",
    "CeCILL-C": "CECILL-C",
    "Clear-BSD": "BSD-3-Clause-Clear",
    "GPL-2-with-classpath-exception": "GPL-2.0-only WITH Classpath-exception-2.0",
    "GPL-2-with-font-exception": "GPL-2.0-only WITH Font-exception-2.0",
    "GPL-2+-with-font-exception": "GPL-2.0-or-later WITH Font-exception-2.0",
    "GPL-2+-with-eCos-exception-2": "GPL-2.0-or-later WITH eCos-exception-2.0",
    "GPL-2+-with-Pyinstaller-Bootloader-exception": "GPL-2.0-or-later WITH Bootloader-exception",
    "GPL-3-with-font-exception": "GPL-3.0-only WITH Font-exception-2.0",
    "GPL-3+-with-font-exception": "GPL-3.0-or-later WITH Font-exception-2.0",
    "GPL-3+-with-autoconf-exception": "GPL-3.0-or-later WITH Autoconf-exception-3.0",
    "IBM": "IPL-1.0",
    "IPAfont": "IPA",
    "OPENLDAP": "OLDAP-2.8",
    "PHP-3": "PHP-3.0",
    "POSTGRESQL": "PostgreSQL",
    "PSF-2": "PSF-2.0",
    "PYTHON": "Python-2.0",
    "SSPL-1": "SSPL-1.0",
    "UoI-NCSA": "NCSA",
    "WTFPL-2": "WTFPL",
    "ZLIB": "Zlib",
    "ZPL": "ZPL-2.1",
    "gd": "GD",
    "icu": "ICU",
    "imagemagick": "ImageMagick",
    "libpng": "Libpng",
    "libpng2": "libpng-2.0",
    "openssl": "OpenSSL",
    "rdisc": "Rdisc",
    "tcltk": "TCL",
    "tcp_wrappers_license": "TCP-wrappers",
    "vim": "Vim",
}
#: GPL-2, GPL-2+, LGPL-2.1+, AGPL-3, FDL-1.3+ ...
_GNU = re.compile(r"(A?GPL|LGPL|FDL)-([0-9.]+)(\+?)")
_GNU_VERSIONS = {
    "GPL": {"1", "2", "3"},
    "AGPL": {"3"},
    "LGPL": {"2", "2.1", "3"},
    "FDL": {"1.1", "1.2", "1.3"},
}

NOASSERTION = "NOASSERTION"


def known(name: str) -> str | None:
    """The SPDX expression of a Gentoo licence name; None if there is no exact one."""
    if name in _SAME:
        return name
    if gnu := _GNU.fullmatch(name):
        family, version, later = gnu.groups()
        if version in _GNU_VERSIONS[family]:
            full = version if "." in version else f"{version}.0"
            return f"{'GFDL' if family == 'FDL' else family}-{full}-{'or-later' if later else 'only'}"
    return _OTHER.get(name)


def reference(name: str) -> str:
    """The LicenseRef for a name that SPDX does not have."""
    return f"LicenseRef-gentoo-{re.sub(r'[^A-Za-z0-9.-]', '-', name)}"


def expression(text: str, use: Collection[str]) -> tuple[str, set[str]]:
    """The SPDX expression for a LICENSE value under USE flags, and the Gentoo names in it that SPDX does not have.
    An empty or unreadable value is NOASSERTION."""
    try:
        tree = depstring.parse(text, use)
    except ValueError:
        return NOASSERTION, set()
    unknown = {name for name in depstring.leaves(tree) if known(name) is None}
    return _join(tree) or NOASSERTION, unknown


def _join(group: depstring.Group) -> str:
    parts = []
    for item in group.items:
        part = (known(item) or reference(item)) if isinstance(item, str) else _join(item)
        if part:
            parts.append(part)
    parts = list(dict.fromkeys(parts))
    if len(parts) > 1:
        parts = [f"({part})" if " AND " in part or " OR " in part else part for part in parts]
    return (" OR " if group.one_of else " AND ").join(parts)
