# SPDX-License-Identifier: MIT
"""Reading genpack.json5: every key in every form, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Reading
from genpack.errors import DefinitionError, UsageError
from genpack.keys import KEYS
from genpack.model import Breaker, Compression, Group, User

from genpack import definition


def problems(read: Reading, text: str) -> list[str]:
    return [line.removeprefix("genpack.json5:") for _, line in sorted(read(text)[1].found)]


def test_every_key(read: Reading) -> None:
    source, found = read(
        """{
        name: "x", profile: "gnome/baremetal", outfile: "{name}.{variant}.{arch}.img",
        compression: {algorithm: "zstd", level: 15},
        packages: ["a/b", "-c/d", "# e/f"], buildtime_packages: ["g/h"], buildtime_packages_first: true,
        binpkg_excludes: "i/j",
        use: {"*/*": "+a -b VIDEO_CARDS: virgl", "k/l": ["c", "-d e"], "m/n": null},
        accept_keywords: {"o/p": null, "q/r": "~amd64", "s/t": ["**"]},
        mask: [">=u/v-2"], license: {"w/x": "@EULA", "y/z": ["a", "b"]}, env: {"a/b": ["one", "two"], "c/d": "three"},
        users: ["u", {name: "v", uid: 1, comment: "c", home: "/h", shell: "/s", "initial-group": "g",
                      "additional-groups": "a,b", "create-home": false, "empty-password": true}],
        groups: ["g", {name: "h", gid: 5}],
        services: ["a.service", "getty@tty1", "x.timer"], setup_commands: ["true\\nfalse"],
        independent_binpkgs: true, circulardep_breaker: {packages: ["a/b"], use: "-x y"},
        include_commit_id: true, devel: true, "lower-layer-capacity": 5,
        arch: {"x86_64|i686": {packages: ["only/x"]}},
        variants: {v: {profile: null, arch: {aarch64: {use: {"a/b": "z"}}}}}, default_variant: "v",
        }"""
    )
    assert found.found == []
    assert [note for _, note in sorted(found.notes)] == [
        "genpack.json5:4: packages: '# e/f' is a comment: ignored",
        "genpack.json5:14: lower-layer-capacity: has no meaning any more: ignored",
    ]
    base = source.base
    assert (base.name, base.profile, base.compression) == ("x", "gnome/baremetal", Compression("zstd", 15))
    assert (base.packages, base.buildtime_packages, base.binpkg_excludes) == (("a/b", "-c/d"), ("g/h",), ("i/j",))
    assert base.use == {"*/*": ("a", "-b", "VIDEO_CARDS:", "virgl"), "k/l": ("c", "-d", "e"), "m/n": None}
    assert base.accept_keywords == {"o/p": (), "q/r": ("~amd64",), "s/t": ("**",)}
    assert (base.license, base.env["a/b"]) == ({"w/x": ("@EULA",), "y/z": ("a", "b")}, ("one", "two"))
    assert base.users == (User("u"), User("v", 1, "c", "/h", "/s", "g", ("a", "b"), False, True))
    assert base.groups == (Group("g"), Group("h", 5))
    assert base.circulardep_breaker == Breaker(("a/b",), ("-x", "y"))
    assert source.arches[0].arches == ("x86_64", "i686")
    assert source.variants["v"].layer.profile_given
    assert source.variants["v"].arches[0].layer.use == {"a/b": ("z",)}
    assert source.default_variant == "v"


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_refuses_a_wrong_type(read: Reading, key: str) -> None:
    (found,) = problems(read, f"{{\n{key}: -1.5}}")
    assert found.startswith(f"2: {key}: is a number; it must be ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{\npakages: []}", "2: pakages: unknown key; did you mean 'packages'?"),
        ("{zzz: 1}", "1: zzz: unknown key; known are: accept_keywords, arch, "),
        ('{"buildtime-packages": []}', "1: buildtime-packages: old spelling; write 'buildtime_packages'"),
        ('{"binpkg-exclude": []}', "1: binpkg-exclude: old spelling; write 'binpkg_excludes'"),
        ('{"circulardep-breaker": {}}', "1: circulardep-breaker: old spelling; write 'circulardep_breaker'"),
        ("{name: 'a',\nname: 'b'}", "2: name: given twice, first in line 1; leave one"),
        ("{name: 'a b'}", "1: name: 'a b' is no artifact name; "),
        ("{name: ''}", "1: name: is empty; "),
        ("{profile: '../x'}", "1: profile: '../x' is no profile name; "),
        ("{outfile: '{nam}'}", "1: outfile: unknown placeholder '{nam}'; use {name}, {arch} or {variant}"),
        ("{compression: 'zst'}", "1: compression: unknown algorithm 'zst'; did you mean 'zstd'?"),
        ("{compression: {algorithm: 'gzip',\nlevel: 10}}", "2: compression.level: gzip has no level 10; use 1 to 9"),
        ("{compression: {algorithm: 'xz', level: 1}}", "1: compression.level: xz has no levels; leave it out"),
        ("{compression: {level: 1}}", "1: compression: has no algorithm; add 'algorithm'"),
        ("{packages: ['a/b',\n'vim']}", "2: packages: 'vim' is no package atom; write category/package"),
        ("{packages: ['a/b',\n7]}", "2: packages[1]: is a number; it must be a string"),
        ("{mask: ['-a/b']}", "1: mask: '-a/b' is no package atom; "),
        ("{binpkg_excludes: '=a/b-1'}", "1: binpkg_excludes: '=a/b-1' is more than a name and a slot; write 'a/b'"),
        ("{binpkg_excludes: ['a']}", "1: binpkg_excludes: 'a' is no package atom; write category/package"),
        ("{use: {'a/b': 'x y!'}}", "1: use.a/b: 'y!' is no USE flag; correct the USE flag"),
        ("{use: {'a': 'x'}}", "1: use.a: is no package atom; write category/package"),
        ("{license: {'a/b': null}}", "1: license.a/b: is null; it must be a string or a list of strings"),
        ("{users: [{uid: 1}]}", "1: users[0]: has no name; add 'name'"),
        ("{users: [{name: 'a', uid: -1}]}", "1: users[0].uid: -1 is out of range; use 0 to 4294967294"),
        ("{users: [{name: 'a', uid: '1'}]}", "1: users[0].uid: is a string; it must be a whole number"),
        ("{users: [{name: 'a', home: 'h'}]}", "1: users[0].home: 'h' is no absolute path; begin it with '/'"),
        ("{users: [{name: 'a', comment: 'a:b'}]}", "1: users[0].comment: has a ':' in it"),
        ("{users: [{name: 'a', shel: '/x'}]}", "1: users[0].shel: unknown key; did you mean 'shell'?"),
        ("{users: [{name: 'a', create_home: true, 'create-home': true}]}", "1: users[0].create-home: given twice"),
        ("{users: ['a',\n'a']}", "2: users: 'a' is there twice, first in line 1; leave one"),
        ("{users: ['a b']}", "1: users[0]: 'a b' is no account name; "),
        ("{groups: [{name: 'g', gid: true}]}", "1: groups[0].gid: is true or false; it must be a whole number"),
        ("{services: ['a b']}", "1: services: 'a b' is no unit name; "),
        ("{circulardep_breaker: {use: 'x'}}", "1: circulardep_breaker: has no packages; add 'packages'"),
        ("{arch: {arm: {}}}", "1: arch.arm: unknown architecture 'arm'; known are: aarch64, "),
        ("{arch: {x86: {}}}", "1: arch.x86: unknown architecture 'x86'; did you mean 'x86_64'?"),
        ("{arch: {i686: {name: 'x'}}}", "1: arch.i686.name: can't be given for an architecture; move it "),
        ("{arch: {i686: 1}}", "1: arch.i686: is a number; it must be an object"),
        ("{variants: {v: {variants: {}}}}", "1: variants.v.variants: can't be given in a variant; "),
        ("{variants: {v: {independent_binpkgs: true}}}", "1: variants.v.independent_binpkgs: can't be given in a "),
        ("{variants: {lower: {}}}", "1: variants.lower: is a name that genpack uses itself; choose another"),
        ("{variants: {v: {arch: {i686: {packges: []}}}}}", "1: variants.v.arch.i686.packges: unknown key; did you "),
        ("{variants: {v: {}}, default_variant: 'w'}", "1: default_variant: there is no variant 'w'; known are: v"),
    ],
)
def test_one_problem(read: Reading, text: str, expected: str) -> None:
    (found,) = problems(read, text)
    assert found.startswith(expected)


def test_all_problems_are_reported_in_the_order_of_lines(read: Reading) -> None:
    _, found = read("{\nservices: 1,\nuse: {a: 'b'},\nfoo: 2,\nusers: ['x y'],\n}")
    with pytest.raises(DefinitionError) as caught:
        found.raise_if_any()
    assert [line.split(":")[1] for line in caught.value.problems] == ["2", "3", "4", "5"]
    assert "4 problems" in caught.value.message
    assert caught.value.status == 2


def test_syntax_error_has_the_line(read: Reading) -> None:
    with pytest.raises(DefinitionError) as caught:
        read("{\n name: 'a'\n profile: 'b'}")
    assert caught.value.problems == [
        "genpack.json5:3: syntax: ',' or '}' must come here, not 'profile'; look at column 2"
    ]


def test_not_utf8(artifact: Path) -> None:
    (artifact / "genpack.json5").write_bytes(b"{\nname: '\xff'}")
    with pytest.raises(DefinitionError) as caught:
        definition.read(artifact / "genpack.json5")
    assert caught.value.problems == ["genpack.json5:2: syntax: byte 0xff is not UTF-8; save the file as UTF-8"]


def test_the_definition_file(artifact: Path) -> None:
    with pytest.raises(UsageError, match=r"no genpack\.json5"):
        definition.find(artifact)
    (artifact / "genpack.json").write_text("{}")
    assert definition.find(artifact).name == "genpack.json"
    (artifact / "genpack.json5").write_text("{}")
    with pytest.raises(UsageError, match="both"):
        definition.find(artifact)
