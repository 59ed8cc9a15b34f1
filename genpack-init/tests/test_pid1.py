# SPDX-License-Identifier: MIT
"""PID 1 reaches /sbin/init whatever its child does. Each test is a boot in a PID namespace, as root."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import namespaces
import pytest
from namespaces import Boot, boot

REASON = namespaces.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

MARK = "def configure(): open('/result/{0}', 'w').write('yes')"


def came_through(result: Boot) -> None:
    """init ran as PID 1 with PID 1's arguments and with no signal blocked."""
    assert result.init, f"init never ran; kernel log:\n{result.kernel_log}\nconsole:\n{result.console}"
    assert result.init.startswith("pid=1 args=splash 3\n")
    assert "SigBlk: 0000000000000000\n" in result.init
    assert not re.search("Sanitizer|runtime error:", result.console), result.console


@pytest.fixture(scope="module", autouse=True)
def no_init_at_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    """A boot without any init waits for 30 seconds: it runs beside the other tests."""
    folder = tmp_path_factory.mktemp("no-init")
    process = namespaces.start(folder, {}, extra='rm -f "$R/usr/sbin/init" "$R/usr/lib/systemd/systemd"')
    process.begin, process.folder = time.monotonic(), folder  # type: ignore[attr-defined]  # carried to the last test
    yield process
    process.kill()
    process.wait()


def test_shim_is_linked_to_libc_alone(program: Path) -> None:
    libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0].split("/")[-1].split(".so")[0] for line in libraries.splitlines()}
    assert names - {"linux-vdso", "linux-gate", "ld-linux-x86-64", "ld-linux-aarch64", "ld-linux"} == {"libc"}


def test_good_boot(tmp_path: Path) -> None:
    result = boot(tmp_path, {"1.py": MARK.format("one"), "2.py": "def configure(ini): print('hello', flush=True)"})
    came_through(result)
    assert result.result("one") == "yes"
    assert "hello" in result.console
    assert re.fullmatch(r"<3>genpack-init: 2 plugins run, 0 failed, \d+ ms\n", urgent(result))
    state = json.loads(result.result("genpack-init.json"))
    assert [(p["name"], p["status"]) for p in state["plugins"]] == [("1.py", "ok"), ("2.py", "ok")]
    assert "2.py: ok" in result.result("genpack-init.log")
    assert not re.search(r"^export (PYTHON\w*|GENPACK\w*)=", result.init, re.MULTILINE)
    assert set(re.findall(r"^fd (\d+)$", result.init, re.MULTILINE)) == {"0", "1", "2"}


def urgent(result: Boot) -> str:
    return "".join(line + "\n" for line in result.kernel_log.splitlines() if line.startswith("<3>"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('no')", "plugin 1.py failed: ValueError: no"),
        ("raise BaseException", "plugin 1.py failed: BaseException"),
        ("sys.exit(3)", "plugin 1.py failed: SystemExit: 3"),
        ("os.close(2); os.close(1); os.close(0)", None),
        ("os.closerange(3, 100)", None),  # PID 1's pipe too
        ("threading.Thread(target=time.sleep, args=(50,)).start()", None),
        ("atexit.register(time.sleep, 50)", None),
        ("os.fork() or time.sleep(50)", None),
        ("assert sys.stdin.read() == ''", None),
    ],
)
def test_next_plugin_runs(tmp_path: Path, code: str, said: str | None) -> None:
    head = "import atexit, os, sys, threading, time\n"
    result = boot(tmp_path, {"1.py": f"{head}def configure(): {code}", "2.py": MARK.format("two")})
    came_through(result)
    assert result.result("two") == "yes"
    assert result.seconds < 20
    assert "the boot goes on" not in result.kernel_log or said is None
    if said:
        assert f"<3>genpack-init: {said}\n" in result.kernel_log


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os._exit(0)", "the plugin host exited with status 0 in 1.py"),
        ("os._exit(5)", "the plugin host exited with status 5 in 1.py"),
        ("os.abort()", "the plugin host was killed by signal 6 (Aborted) in 1.py"),
        ("os.kill(os.getpid(), 9)", "the plugin host was killed by signal 9 (Killed) in 1.py"),
        ("ctypes.string_at(0)", "the plugin host was killed by signal 11 (Segmentation fault) in 1.py"),
        ("os.execv('/bin/false', ['false'])", "the plugin host exited with status 1 in 1.py"),
        ("os.killpg(0, 9)", "the plugin host was killed by signal 9 (Killed) in 1.py"),
        ("os.kill(-1, 9)", None),  # every process but PID 1 and the caller; the caller lives
    ],
)
def test_host_dies(tmp_path: Path, code: str, said: str | None) -> None:
    result = boot(tmp_path, {"1.py": f"import ctypes, os\ndef configure(): {code}"})
    came_through(result)
    if said:
        assert f"<3>genpack-init: {said}; the boot goes on\n" in result.kernel_log


def test_native_stack_overflow(tmp_path: Path) -> None:
    code = "import sys\nsys.setrecursionlimit(10**8)\nclass A:\n  def __repr__(self): return repr([self])\n"
    result = boot(tmp_path, {"1.py": f"{code}def configure(): repr(A())"})
    came_through(result)


def test_endless_loop(tmp_path: Path) -> None:
    result = boot(tmp_path, {"1.py": "while True: pass", "2.py": MARK.format("two")}, "genpack.init_timeout=1")
    came_through(result)
    assert "<3>genpack-init: 1.py: no progress for 1 seconds; SIGTERM\n" in result.kernel_log
    assert "killed by signal 15 (Terminated) in 1.py; the boot goes on" in result.kernel_log
    assert 1 < result.seconds < 5


def test_endless_loop_that_ignores_sigterm_with_children(tmp_path: Path) -> None:
    code = "import os, signal\nsignal.signal(15, signal.SIG_IGN)\nos.fork(); os.fork()\nwhile True: signal.pause()"
    result = boot(tmp_path, {"1.py": code}, "genpack.init_timeout=1")
    came_through(result)
    assert "still there after SIGTERM; SIGKILL" in result.kernel_log
    assert "genpack-init-ho" not in result.init  # no process of the host is left
    assert result.seconds < 12


def test_stopped_host(tmp_path: Path) -> None:
    result = boot(tmp_path, {"1.py": "import os\nos.kill(os.getpid(), 19)"}, "genpack.init_timeout=1")
    came_through(result)
    assert "killed by signal 9" in result.kernel_log


def test_interpreter_made_unusable(tmp_path: Path) -> None:
    """Python hangs somewhere after that."""
    code = "import sys\ndef configure(): sys.modules.clear()"
    result = boot(tmp_path, {"1.py": code}, "genpack.init_timeout=1")
    came_through(result)


def test_time_limit_is_for_each_plugin(tmp_path: Path) -> None:
    slow = "import time\ndef configure(): time.sleep(0.8)"
    result = boot(tmp_path, {"1.py": slow, "2.py": slow, "3.py": MARK.format("three")}, "genpack.init_timeout=1")
    came_through(result)
    assert result.result("three") == "yes"
    assert "no progress" not in result.kernel_log


@pytest.mark.parametrize("value", ["0", "-1", "soon", "", "99999999999999999999"])
def test_time_limit_that_is_none(tmp_path: Path, value: str) -> None:
    result = boot(tmp_path, {"1.py": MARK.format("one")}, f"genpack.init_timeout={value}")
    came_through(result)
    assert f"genpack.init_timeout={value}: not a number of seconds from 1 on; 300 is used" in result.kernel_log
    assert result.result("one") == "yes"


def test_orphans_are_reaped(tmp_path: Path) -> None:
    code = """
import os, time
def configure():
    for _ in range(100):
        if os.fork() == 0:
            for _ in range(3):
                if os.fork() == 0: os._exit(0)  # its parent dies first or never waits: PID 1's
            os._exit(0)
    time.sleep(0.5)
"""
    result = boot(tmp_path, {"1.py": code})
    came_through(result)
    assert "State: Z" not in result.init


def test_fork_bomb_ends_with_its_host(tmp_path: Path) -> None:
    code = "import os, time\nfor _ in range(8): os.fork()\ntime.sleep(1)\nif os.getppid() < 2: os.abort()\n"
    result = boot(tmp_path, {"1.py": f"{code}time.sleep(99)"})
    came_through(result)
    assert "genpack-init-ho" not in result.init


def test_fork_bomb_that_never_ends(tmp_path: Path) -> None:
    """Children without end for PID 1 to reap do not keep it from its clock."""
    code = """
import os
for _ in range(4): os.fork()
while True:
    if os.fork() == 0:
        os.fork()
        os._exit(0)
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
"""
    result = boot(tmp_path, {"1.py": code}, "genpack.init_timeout=1")
    came_through(result)
    assert "<3>genpack-init: 1.py: no progress for 1 seconds; SIGTERM\n" in result.kernel_log
    assert "genpack-init-ho" not in result.init


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os.write(pipe, b'start x\\n' * 100)", "x floods the report pipe; no longer listening"),
        ("os.write(pipe, b'\\0' * 100)", "1.py floods the report pipe; no longer listening"),
        ("os.write(pipe, b'alive\\n'); time.sleep(0.2)", "1.py: no progress for 1 seconds; SIGTERM"),
        ("os.close(pipe)", "1.py: no progress for 1 seconds; SIGTERM"),
    ],
)
def test_report_pipe_abused(tmp_path: Path, code: str, said: str) -> None:
    """What is no report of a plugin's start or end is no progress, and a flood of them is not heard for ever."""
    head = "import os, sys, time\npipe = int(sys.argv[2])\nwhile True:\n  try: "
    result = boot(tmp_path, {"1.py": f"{head}{code}\n  except OSError: pass"}, "genpack.init_timeout=1")
    came_through(result)
    assert f"<3>genpack-init: {said}\n" in result.kernel_log
    assert "no progress for 1 seconds; SIGTERM" in result.kernel_log


def test_signals_to_pid_1(tmp_path: Path) -> None:
    code = "import os\ndef configure():\n  for number in range(1, 65):\n    for _ in range(20): os.kill(1, number)"
    result = boot(tmp_path, {"1.py": code, "2.py": MARK.format("two")})
    came_through(result)
    assert result.result("two") == "yes"
    assert "2 plugins run, 0 failed" in urgent(result)


HOST = '"$R$PREFIX/libexec/genpack-init-host"'
PACKAGE = '"$(echo "$R$PREFIX"/lib/python3*/site-packages/genpack_init)"'


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (f"rm {HOST}", "cannot run the plugin host"),
        (f"chmod 0 {HOST}", "cannot run the plugin host"),
        (f": >{HOST}", "the boot goes on"),
        (f"truncate -s 5000 {HOST}", "the boot goes on"),
        ('for f in "$R"/usr/lib/*/libpython3*.so*; do rm "$f"; done', "exited with status 127; the boot goes on"),
        ('mount -t tmpfs tmpfs "$(echo "$R"/usr/lib/python3.*)"', "exited with status 1; the boot goes on"),
        (f"rm -r {PACKAGE}", "exited with status 1; the boot goes on"),
        (f"echo '(' >{PACKAGE}/boot.py", "exited with status 1; the boot goes on"),
        (f"echo 'import os; os.abort()' >{PACKAGE}/__init__.py", "signal 6"),
    ],
)
def test_broken_python(tmp_path: Path, extra: str, said: str) -> None:
    if "libpython" in extra and not list(Path("/usr/lib").glob("*/libpython3*.so*")):
        pytest.skip("this machine's libpython is elsewhere")
    result = boot(tmp_path, {"1.py": MARK.format("one")}, extra=extra)
    came_through(result)
    assert said in urgent(result)


def test_closed_stdio(tmp_path: Path) -> None:
    plugin = "import os\n[os.fstat(number) for number in (0, 1, 2)]\nprint('x')\n" + MARK.format("one")
    result = boot(tmp_path, {"1.py": plugin}, redirect="<&- >&- 2>&-")
    came_through(result)
    assert result.result("one") == "yes"


@pytest.mark.parametrize(
    "extra",
    [
        'mount --bind "$R/var" "$R/var"; mount -o remount,bind,ro "$R/var"',
        'mount -t tmpfs -o size=4k,nr_inodes=4 tmpfs "$R/var"; cat /dev/zero >"$R/var/full" || :',
        'mount -t tmpfs -o size=8k tmpfs "$R/var"; mkdir "$R/var/log"; cat /dev/zero >"$R/var/full" || :',
        'rm -rf "$R/var"; touch "$R/var"',
        'mount -t tmpfs -o ro tmpfs "$R/run"',
        'mount -o remount,ro "$R"',
    ],
    ids=["read-only var", "no inode in var", "full var", "var is a file", "read-only run", "read-only root"],
)
def test_nowhere_to_write(tmp_path: Path, extra: str) -> None:
    result = boot(tmp_path, {"1.py": MARK.format("one")}, extra=extra)
    came_through(result)
    assert result.result("one") == "yes"
    assert "1 plugins run, 0 failed" in urgent(result)


def test_no_proc(tmp_path: Path) -> None:
    result = boot(tmp_path, {"1.py": MARK.format("one")}, extra='umount "$R/proc/cmdline" "$R/proc"')
    assert result.init.startswith("pid=1 args=splash 3\n")
    assert result.result("one") == "yes"


def test_no_dev(tmp_path: Path) -> None:
    result = boot(tmp_path, {"1.py": MARK.format("one")}, extra='umount "$R/dev/kmsg" "$R/dev/console" "$R/dev"')
    came_through(result)
    assert result.result("one") == "yes"


def test_no_kernel_log(tmp_path: Path) -> None:
    result = boot(tmp_path, {"1.py": "import os\nos.abort()"}, extra='umount "$R/dev/kmsg"; rm "$R/dev/kmsg"')
    came_through(result)
    assert "genpack-init: the plugin host was killed by signal 6 (Aborted) in 1.py; the boot goes on" in result.console


@pytest.mark.parametrize("then", ["", '; touch "$R/usr/lib/genpack-init"'], ids=["no folder", "a file"])
def test_no_plugins(tmp_path: Path, then: str) -> None:
    result = boot(tmp_path, {}, extra=f'rm -r "$R/usr/lib/genpack-init"{then}')
    came_through(result)
    assert "0 plugins run, 0 failed" in urgent(result)


@pytest.mark.parametrize(
    "extra",
    [
        'mv "$R/usr/sbin/init" "$R/usr/bin/init"',
        'rm -rf "$R/usr/lib/systemd/systemd"; mv "$R/usr/sbin/init" "$R/usr/lib/systemd/systemd"',
        'cp "$R/usr/sbin/init" "$R/usr/bin/init"; ln -sf "$PREFIX/bin/genpack-init" "$R/usr/sbin/init"',
        'mv "$R/usr/sbin/init" "$R/usr/bin/init"; echo "no program" >"$R/usr/sbin/init"; chmod +x "$R/usr/sbin/init"',
    ],
    ids=["usr/bin/init", "systemd", "sbin/init is genpack-init", "sbin/init is no program"],
)
def test_other_init(tmp_path: Path, extra: str) -> None:
    if not Path("/usr/lib/systemd").is_dir():
        extra = f'mkdir -p "$R/usr/lib/systemd"; {extra}'
    came_through(boot(tmp_path, {}, extra=extra))


def test_empty_argument_list(tmp_path: Path, program: Path) -> None:
    """execve with no argv at all, which no kernel does but others can."""
    code = f"import ctypes; ctypes.CDLL(None).execve({str(program).encode()!r}, (ctypes.c_char_p * 1)(None), None)"
    done = subprocess.run([sys.executable, "-c", code], input=b"", capture_output=True, check=False)
    assert done.returncode == 0, done


def test_no_init_reboots(no_init_at_all: subprocess.Popen[bytes]) -> None:
    """Last in this file: by now most of the 30 seconds are over."""
    status = no_init_at_all.wait(60)
    assert time.monotonic() - no_init_at_all.begin > 30  # type: ignore[attr-defined]  # set by the fixture
    assert status == -signal.SIGHUP  # a namespace's PID 1 that calls reboot dies of SIGHUP
    log = (no_init_at_all.folder / "kmsg").read_text()  # type: ignore[attr-defined]  # set by the fixture
    assert "<3>genpack-init: no init to run; reboot in 30 seconds\n" in log
    assert log.count("cannot run ") == 3
