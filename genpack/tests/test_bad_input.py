# SPDX-License-Identifier: MIT
"""Bad definitions and folders: every problem is reported, with its line, and nothing else is ever raised."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from conftest import Reading
from genpack.arch import ARCHES
from genpack.errors import DefinitionError, GenpackError, UsageError
from genpack.keys import IGNORED, KEYS, OLD_SPELLINGS, STRUCTURE
from genpack.problems import SHOWN, Problems, printable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genpack import checks, definition, merge, show

X86_64 = ARCHES["x86_64"]


def of_bytes(folder: Path, content: bytes) -> list[str]:
    """The problems that reading a file of these bytes raises."""
    path = folder / "genpack.json5"
    path.write_bytes(content)
    with pytest.raises(DefinitionError) as caught:
        definition.read(path)
    return [line.removeprefix("genpack.json5:") for line in caught.value.problems]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "1: syntax: a value must come here, not end of file; look at column 1"),
        (b"[]", "1: definition: is a list; it must be an object {...}"),
        (b"\xff\xfe{\0}\0", "1: syntax: the file is UTF-16; save it as UTF-8"),
        (b"\xfe\xff\0{\0}", "1: syntax: the file is UTF-16; save it as UTF-8"),
        (b"{\n\n\0}", "3: syntax: a NUL byte: this is no text; save the file as UTF-8 text"),
        (b"\x7fELF\xff", "1: syntax: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b" " * (1 << 20) + b"{}", "1: syntax: the file is larger than 1 MiB; files go to files/, not into the def"),
        (b"{a:" * 5000, "1: syntax: nested more than 100 deep; look at column 304"),
        (b"[" * 500_000, "1: syntax: nested more than 100 deep; look at column 102"),
        (b"{\nusers: [{uid: " + b"9" * 5000 + b"}]}", "2: syntax: number of more than 400 characters; look at col"),
        (b"{\r\n\r\nname: }", "3: syntax: a value must come here, not '}'; look at column 7"),
        (b"{\r\rname: }", "3: syntax: a value must come here, not '}'; look at column 7"),
        ("{profile: '\u2028', // no new line to an editor\nname: }".encode(), "2: syntax: a value must come here"),
        (b"/* " * 100_000, "1: syntax: comment '/*' without its end '*/'; look at column 1"),
    ],
    ids=[f"file-{number}" for number in range(14)],
)
def test_the_file_as_a_whole(artifact: Path, content: bytes, expected: str) -> None:
    (found,) = of_bytes(artifact, content)
    assert found.startswith(expected)


def test_a_byte_order_mark_and_line_ends_of_windows_are_fine(artifact: Path) -> None:
    path = artifact / "genpack.json5"
    path.write_bytes(b"\xef\xbb\xbf{\r\n  name: 'x',\r\n  setup_commands: ['one',\r\n    'two \\\r\nthree']\r\n}\r\n")
    source, problems = definition.read(path)
    assert problems.found == []
    assert source.base.setup_commands == ("one", "two three")


def test_what_is_no_definition_file(artifact: Path) -> None:
    path = artifact / "genpack.json5"

    def said() -> tuple[str, str | None]:
        with pytest.raises(UsageError) as caught:
            definition.read(definition.find(artifact))
        assert caught.value.status == 2
        return caught.value.message, caught.value.tip

    message, tip = said()
    assert message == f"no genpack.json5 in {artifact}"
    assert tip is not None and tip.endswith(f"the smallest genpack.json5: {definition.EXAMPLE}")
    (artifact / "sub").mkdir()
    (artifact / "sub/genpack.json").write_text("{}")
    assert said()[1] == "name one of the folders here that have one with -C: sub"
    path.mkdir()
    assert said()[0] == f"{path} is a folder"
    path.rmdir()
    path.symlink_to("nowhere")
    assert said() == (f"{path} is a link to nothing", "it points to nowhere")
    path.unlink()
    path.symlink_to("genpack.json5")
    assert said()[0] == f"can't read {path}: Too many levels of symbolic links"
    path.unlink()
    os.mkfifo(path)
    assert said()[0] == f"{path} is no regular file"


def test_the_smallest_definition_and_a_link_to_one_are_good(artifact: Path) -> None:
    (artifact / "elsewhere").write_text(definition.EXAMPLE)
    (artifact / "genpack.json5").symlink_to("elsewhere")
    source, problems = definition.read(definition.find(artifact))
    assert (source.base.name, problems.found) == ("my-image", [])


def test_a_file_that_may_not_be_read(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (artifact / "genpack.json5").write_text("{}")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    for function in ("open", "stat"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, function, refuse)
            with pytest.raises(UsageError, match=r"can't read .*: Permission denied"):
                definition.read(definition.find(artifact))


def found(read: Reading, artifact: Path, text: str, overlay: Path | None = None) -> list[str]:
    source, problems = read(text)
    checks.everything(source, problems, artifact, X86_64, overlay)
    return [line.removeprefix("genpack.json5:") for _, line in problems.found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{outfile: '/tmp/x.squashfs'}", "1: outfile: '/tmp/x.squashfs' is an absolute path; name the folder with"),
        ("{outfile: '../x.squashfs'}", "1: outfile: '../x.squashfs' is no file in or below the artifact's folder; "),
        ("{outfile: 'out/'}", "1: outfile: 'out/' is no file in or below the artifact's folder; write a file's name"),
        ("{outfile: 'files/x'}", "1: outfile: 'files/x' lies where genpack keeps something else; choose another"),
        ("{outfile: 'genpack.json5'}", "1: outfile: 'genpack.json5' lies where genpack keeps something else; "),
        ("{outfile: 'work'}", "1: outfile: 'work' lies where genpack keeps something else; "),
        (f"{{outfile: '{'x' * 200}'}}", "1: outfile: is too long for a file's name; use at most 160 bytes"),
        (f"{{name: '{'x' * 101}'}}", f"1: name: '{'x' * 101}' is no artifact name; use fewer than 100 characters"),
        ("{compression: 'zstd:15'}", "1: compression: unknown algorithm 'zstd:15'; write {algorithm: 'zstd', level: "),
        ("{services: ['-x']}", "1: services: '-x' is no unit name; "),
        ("{users: [{name: 'a',\nuid: 0}]}", "2: users[0].uid: 0 is root's; give another uid"),
        ("{groups: [{name: 'a',\ngid: 0}]}", "2: groups[0].gid: 0 is root's; give another gid"),
        ("{users: [{name: 'a', initial_group: 'a b'}]}", "1: users[0].initial_group: 'a b' is no account name; "),
        ("{users: [{name: 'a', uid: 0x" + "f" * 300 + "}]}", "1: users[0].uid: 1721"),
        ("{users: [{name: 'a', comment: '\\ud800'}]}", "1: users[0].comment: has half of a surrogate pair in it; "),
        ("{users: [{name: 'a', comment: 'a\\nb'}]}", "1: users[0].comment: has a line break or a NUL in it; "),
        ("{setup_commands: ['\\0']}", "1: setup_commands[0]: has a line break or a NUL in it; "),
        ("{arch: {'i686|i686': {}}}", "1: arch.i686|i686: 'i686' is there twice; leave one"),
        ("{arch: {x86: {}}}", "1: arch.x86: unknown architecture 'x86'; did you mean 'x86_64'? known are: aarch64, "),
        ("{arch: {i686: {arch: {}}}}", "1: arch.i686.arch: can't be given for an architecture; move it to the top"),
        ("{variants: {'a/b': {}}}", "1: variants.a/b: is no name; use up to 100 letters, digits and . _ + -"),
        ("{variants: {vv: {}},\ndefault_variant: 'v'}", "2: default_variant: there is no variant 'v'; did you mean "),
        ("{packages: ['a/b-1.0']}", "1: packages: 'a/b-1.0' is no package atom; a version needs an operator"),
        ("{circulardep_breaker: {packages: ['a/b'], use: 'X:'}}", "1: circulardep_breaker.use: 'X:' is no USE flag"),
        ("{circulardep_breaker: {packages: ['a/b'], us: 'x'}}", "1: circulardep_breaker.us: unknown key; did you mean"),
        ("{'a\\nb\\x1b[2J': 1}", "1: a\\nb\\x1b[2J: unknown key; known are: "),
        ("{env: {'a/b': ['gone',\n'gone']}}", "1: env.a/b: there is no file env/gone; make it, or correct the name"),
    ],
)
def test_one_mistake(read: Reading, artifact: Path, text: str, expected: str) -> None:
    assert found(read, artifact, text)[0].startswith(expected)


@pytest.mark.parametrize(
    "name", ["lower", "lower.new", "upper", "work", "merged", "logs", "binpkgs", "state.json", "lock"]
)
def test_a_variant_can_t_have_the_name_of_genpack_s_own_folders(read: Reading, artifact: Path, name: str) -> None:
    expected = f"2: variants.{name}: is a name that genpack uses itself; choose another"
    assert found(read, artifact, f"{{variants: {{\n'{name}': {{}}}}}}") == [expected]


@pytest.mark.parametrize("spelling", sorted(OLD_SPELLINGS))
def test_old_spellings_name_the_new_one_at_every_place(read: Reading, artifact: Path, spelling: str) -> None:
    for text in ("{'%s': 1}", "{variants: {v: {'%s': 1}}}", "{arch: {i686: {'%s': 1}}}"):
        (said,) = found(read, artifact, text % spelling)
        assert said.endswith(f"{spelling}: old spelling; write '{OLD_SPELLINGS[spelling]}'")


def test_hyphens_of_a_user_s_fields(read: Reading) -> None:
    text = "{users: [{name: 'a', '%s': %s}]}"
    for spelling, value in (("create-home", "false"), ("empty-password", "true"), ("initial-group", "'users'")):
        one, two = (read(text % (each, value)) for each in (spelling, spelling.replace("-", "_")))
        assert one[1].found == two[1].found == []
        assert one[0].base.users == two[0].base.users
    assert read(text % ("additional-groups", "['a', 'b,c']"))[0].base.users[0].additional_groups == ("a", "b", "c")


def test_the_same_wrong_name_is_reported_at_each_place(read: Reading, artifact: Path, overlay: Path) -> None:
    text = "{profile: 'nope', env: {'a/b': 'gone'},\nvariants: {v: {\nprofile: 'nope', env: {'c/d': 'gone'}}}}"
    assert [line.split(": there")[0] for line in found(read, artifact, text, overlay)] == [
        "1: env.a/b",
        "1: profile",
        "3: variants.v.env.c/d",
        "3: variants.v.profile",
    ]


def test_a_profile_of_another_architecture_is_only_wrong_where_it_is_built(
    read: Reading, artifact: Path, overlay: Path
) -> None:
    folder = overlay / "profiles/genpack/arm64/raspberrypi"
    folder.mkdir(parents=True)
    (folder / "eapi").write_text("8\n")
    text = "{profile: 'paravirt',\nvariants: {pi: {profile: 'raspberrypi'}, pc: {}}}"
    assert found(read, artifact, text, overlay) == []

    def built(arch: str, variant: str) -> list[str]:
        source, problems = read(text)
        checks.everything(source, problems, artifact, ARCHES[arch], overlay, variant)
        return [line for _, line in problems.found]

    assert built("aarch64", "pi") == built("x86_64", "pc") == []
    wrong = "genpack.json5:2: variants.pi.profile: there is no profile 'raspberrypi' for x86_64"
    assert built("x86_64", "pi") == [f"{wrong}; build it with --arch: aarch64"]


def test_folders_of_the_artifact(read: Reading, artifact: Path) -> None:
    for name in ("kernel", "patches"):
        (artifact / name).write_text("")
    (artifact / "savedconfig").symlink_to("nowhere")
    (artifact / "files").symlink_to("/usr/share/doc")
    said = found(read, artifact, "{}")
    assert [line.split(";")[0] for line in said] == [
        "files: points out of the artifact's folder, to /usr/share/doc",
        "kernel: is no folder",
        "patches: is no folder",
        "savedconfig: is a link to nothing",
    ]
    (artifact / "files").unlink()
    (artifact / "real").mkdir()
    (artifact / "files").symlink_to("real")
    assert not any(line.startswith("files") for line in found(read, artifact, "{}"))


def test_what_an_image_can_t_get_from_a_folder(read: Reading, artifact: Path) -> None:
    files = artifact / "files"
    files.mkdir()
    (files / "dangling").symlink_to("/nowhere")
    (files / "new\nline").write_text("")
    (files / os.fsdecode(b"not-utf8-\xff")).write_text("")
    assert found(read, artifact, "{}") == []
    os.mkfifo(files / "pipe")
    (artifact / "env").mkdir()
    os.mkfifo(artifact / "env/e\ufffdx")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(files / "s"))
        said = found(read, artifact, "{}")
    assert [line.split(";")[0] for line in said] == [
        "env/e\ufffdx: is a named pipe",
        "files/pipe: is a named pipe",
        "files/s: is a socket",
    ]


def test_a_folder_that_may_not_be_read(read: Reading, artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (artifact / "files").mkdir()

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(Path, "iterdir", refuse)
    (said,) = found(read, artifact, "{}")
    assert said == "files: can't be read: Permission denied; run as root, or change its permissions"


def test_kernel_folders_name_architectures(read: Reading, artifact: Path) -> None:
    for name in ("arch-amd64", "arch-aarch64", "config.d"):
        (artifact / "kernel" / name).mkdir(parents=True)
    (said,) = found(read, artifact, "{}")
    assert said.startswith("kernel/arch-amd64: unknown architecture 'amd64'; ")
    assert said.endswith("known are: aarch64, i686, riscv64, x86_64")


def test_build_scripts_that_would_not_start(read: Reading, artifact: Path) -> None:
    folder = artifact / "files/build.d"
    (folder / "a b").mkdir(parents=True)
    for name, content in (("good", "#!/bin/sh\n"), ("dos", "#!/bin/sh\r\necho\r\n"), ("bare", "echo hi\n"), ("no", "")):
        (folder / name).write_text(content)
        (folder / name).chmod(0o755)
    (folder / "dos.sh").write_text("#!/bin/sh\r\n")  # not executable: /bin/sh reads it
    assert [line.split(";")[0] for line in found(read, artifact, "{}")] == [
        "files/build.d/a b: is named after no user",
        "files/build.d/bare: can't be run: it is executable and does not begin with '#!'",
        "files/build.d/dos: can't be run: its lines end with CR LF, so its interpreter is not found",
        "files/build.d/no: can't be run: it is executable and does not begin with '#!'",
    ]


def test_build_d_that_is_a_file(read: Reading, artifact: Path) -> None:
    (artifact / "files").mkdir()
    (artifact / "files/build.d").write_text("")
    assert [line.split(";")[0] for line in found(read, artifact, "{}")] == ["files/build.d: is no folder"]


def test_a_folder_of_scripts_for_a_user_that_the_definition_does_not_make(read: Reading, artifact: Path) -> None:
    for name in ("root", "mine", "variants-own", "mysql"):
        (artifact / "files/build.d" / name).mkdir(parents=True)
    source, problems = read("{users: ['mine'], variants: {v: {users: [{name: 'variants-own'}]}}}")
    checks.everything(source, problems, artifact, X86_64, None)
    assert problems.found == []
    expected = "files/build.d/mysql: no user 'mysql' in the definition: a package must bring it"
    assert [note for _, note in problems.notes] == [expected]


def test_a_folder_s_name_that_can_t_be_the_artifact_s(tmp_path: Path) -> None:
    assert checks.name(Path("genpack.json5"), tmp_path / "good-name") == "good-name"
    for folder in (tmp_path / "my folder", Path("/"), tmp_path / ".hidden"):
        with pytest.raises(UsageError, match="can't be an artifact's"):
            checks.name(Path("genpack.json5"), folder)


def test_messages_are_safe_to_print_and_not_endless() -> None:
    assert printable("a\x1b[31mb\nc\udcff\u202e") == "a\\x1b[31mb\\nc\\udcff\\u202e"
    assert printable("grün") == "grün"
    assert len(printable("x" * 100_000)) == SHOWN
    problems = Problems(Path("genpack.json5"))
    problems.add(1, "k" * 1000, "w" * 1000, "a")
    assert len(problems.found[0][1]) < 600


# -- no input raises anything but DefinitionError ---------------------------------------------------------------

words = st.sampled_from(
    [
        "a/b",
        "-a/b",
        "#c",
        ">=a/b-1:0::r[x,-y?]",
        "*/*",
        "=a/b-1*",
        "x",
        "-x",
        "X:",
        "~amd64",
        "**",
        "@FREE",
        "root",
        "u",
    ]
    + ["a.service", "t@1", "zstd", "auto", "{name}-{arch}", "/x", "true\nfalse", "\0", "\ud800", "", " ", "x" * 300]
) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers(-1, 2**33) | st.floats(allow_nan=False) | words
names = st.sampled_from(
    [*KEYS, *STRUCTURE, *IGNORED, *OLD_SPELLINGS, *ARCHES, "x86_64|i686", "v", "lower", "uid", "algorithm", "level"]
    + ["comment", "home", "create-home", "additional_groups", "packages"]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | words, inner, max_size=5),
    max_leaves=12,
)
definitions = st.dictionaries(names, values, max_size=6)


def survives(folder: Path, content: bytes, overlay: Path) -> None:
    """Reads and checks; what is good must also merge and be shown."""
    path = folder / "genpack.json5"
    path.write_bytes(content)
    try:
        source, problems = definition.read(path)
        checks.everything(source, problems, folder, X86_64, overlay)
        problems.raise_if_any()
    except DefinitionError as error:
        assert error.problems
        assert all("\n" not in line for line in error.problems)
        "\n".join(error.problems).encode()
        return
    for variant in (None, *source.variants):
        show.text(merge.merge(source, "x86_64", variant, "name")).encode()


FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@FEW
@given(definitions)
def test_any_values_of_any_keys(artifact: Path, overlay: Path, value: dict[str, Any]) -> None:
    survives(artifact, json.dumps(value).encode(), overlay)


@FEW
@given(st.text(alphabet="{}[],:'\"\\ \nabu01.+-eExX/*_$\u2028\ud800") | st.text())
def test_any_text(artifact: Path, overlay: Path, text: str) -> None:
    survives(artifact, text.encode(errors="surrogatepass"), overlay)


@FEW
@given(st.binary(max_size=200))
def test_any_bytes(artifact: Path, overlay: Path, content: bytes) -> None:
    survives(artifact, content, overlay)


def test_a_definition_of_many_mistakes_is_checked_in_reasonable_time(read: Reading, artifact: Path) -> None:
    """What grows faster than the file would take hours here, not seconds."""
    many = ",".join(["1"] * 20_000)
    assert len(found(read, artifact, f"{{packages: [{many}]}}")) == 20_000
    hard = "a/" + "-1" * 50_000
    assert len(found(read, artifact, f"{{packages: ['{hard}'], '{hard}': 1, use: {{'{hard}': '{hard}'}}}}")) == 3


def test_every_error_of_the_folder_is_a_genpack_error() -> None:
    assert issubclass(DefinitionError, UsageError) and issubclass(UsageError, GenpackError)
