#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A window with an icon for every graphical program of the image. A click starts the program."""

import argparse
import sys

NAME = "genpack.devlauncher"
COLUMNS, ICON = 10, 48  # ICON: pixels


def shown(programs):
    """Those that a menu would show, by their names."""
    return sorted((p for p in programs if p.should_show()), key=lambda p: p.get_display_name().casefold())


def launch(program, error, say=print) -> None:
    """Start a program; what does not start is said."""
    try:
        program.launch(None, None)
    except error as e:
        say(f"devlauncher: error: {program.get_display_name()} can't be started: {e}", file=sys.stderr)


def toolkit():
    """GTK 4 by way of PyGObject."""
    try:
        import gi

        gi.require_version("Gtk", "4.0")
        from gi.repository import Gio, GLib, Gtk
    except (ImportError, ValueError) as e:
        sys.exit(f"devlauncher: error: {e}; it needs PyGObject and GTK 4")
    return Gio, GLib, Gtk


def button(gtk, glib, program):
    """Icon over name."""
    icon = program.get_icon()
    image = gtk.Image.new_from_gicon(icon) if icon else gtk.Image.new_from_icon_name("application-x-executable")
    image.set_pixel_size(ICON)
    label = gtk.Label(label=program.get_display_name(), wrap=True, max_width_chars=12, lines=2)
    box = gtk.Box(orientation=gtk.Orientation.VERTICAL, spacing=6)
    box.append(image)
    box.append(label)
    made = gtk.Button(child=box, has_frame=False)
    made.connect("clicked", lambda _: launch(program, glib.Error))
    return made


def main() -> None:
    """Shows the window until it is closed."""
    argparse.ArgumentParser(prog="devlauncher", description=__doc__).parse_args()
    gio, glib, gtk = toolkit()
    if not gtk.init_check():
        sys.exit("devlauncher: error: there is no display; start it in a graphical session")

    def activate(application) -> None:
        grid = gtk.FlowBox(max_children_per_line=COLUMNS, homogeneous=True, selection_mode=gtk.SelectionMode.NONE,
                           valign=gtk.Align.START)  # fmt: skip
        for program in shown(gio.AppInfo.get_all()):
            grid.append(button(gtk, glib, program))
        window = gtk.ApplicationWindow(application=application, title=glib.get_host_name(), default_width=800,
                                       default_height=600)  # fmt: skip
        window.set_child(gtk.ScrolledWindow(child=grid, hscrollbar_policy=gtk.PolicyType.NEVER))
        window.present()

    application = gtk.Application(application_id=NAME)
    application.connect("activate", activate)
    sys.exit(application.run([]))


if __name__ == "__main__":
    main()
