# SPDX-License-Identifier: MIT
"""The programs of the lower layer: what turns installed packages into the files of an image.

Standard library and, in vardb.py and bindb.py alone, Portage's API. Data flows cmd_* -> vardb -> closure -> contents ->
copyup.
"""
