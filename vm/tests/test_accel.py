# SPDX-License-Identifier: MIT
"""The accelerator rule: every line of it, without a guest."""

from __future__ import annotations

from pathlib import Path

import pytest
from genpack_vm.accel import Accel, KvmFacts, asked_for, choose, look
from genpack_vm.arch import Arch
from genpack_vm.errors import UsageError, VmError

GOOD = KvmFacts(Arch.X86_64, None, ("kvm", "kvm_intel"))


def test_kvm_where_it_works() -> None:
    choice = choose(Arch.X86_64, GOOD, None)
    assert (choice.accel, choice.reason) == (Accel.KVM, None)


@pytest.mark.parametrize(
    ("arch", "facts", "reason"),
    [
        (Arch.X86_64, KvmFacts(Arch.X86_64, None, ("kvm", "kvm_pvm")), "kvm_pvm"),
        (Arch.X86_64, KvmFacts(Arch.X86_64, "there is no /dev/kvm", ()), "there is no /dev/kvm"),
        (Arch.AARCH64, GOOD, "the image is for aarch64, this machine is x86_64"),
        (Arch.RISCV64, KvmFacts(None, None, ()), "another architecture"),
    ],
)
def test_else_tcg_and_why(arch: Arch, facts: KvmFacts, reason: str) -> None:
    choice = choose(arch, facts, None)
    assert choice.accel is Accel.TCG
    assert choice.reason is not None
    assert reason in choice.reason


def test_asked_for_overrides_the_module_but_not_what_cannot_be() -> None:
    assert choose(Arch.X86_64, KvmFacts(Arch.X86_64, None, ("kvm_pvm",)), Accel.KVM).accel is Accel.KVM
    with pytest.raises(VmError, match="KVM cannot be used: there is no /dev/kvm"):
        choose(Arch.X86_64, KvmFacts(Arch.X86_64, "there is no /dev/kvm", ()), Accel.KVM)


def test_tcg_asked_for_needs_no_reason() -> None:
    assert choose(Arch.X86_64, GOOD, Accel.TCG).reason is None


def test_option_before_environment() -> None:
    assert asked_for(None, None) is None
    assert asked_for(None, "") is None
    assert asked_for(None, "kvm") is Accel.KVM
    assert asked_for(False, "kvm") is Accel.TCG
    assert asked_for(True, "tcg") is Accel.KVM
    with pytest.raises(UsageError, match="VM_ACCEL is 'xen'"):
        asked_for(None, "xen")


def test_look_without_device(tmp_path: Path) -> None:
    (tmp_path / "kvm").mkdir()
    (tmp_path / "kvm_pvm").mkdir()
    facts = look(tmp_path / "none", tmp_path)
    assert facts.problem == f"there is no {tmp_path}/none"
    assert facts.modules == ("kvm", "kvm_pvm")


def test_look_at_a_device_that_is_not_kvm(tmp_path: Path) -> None:
    assert "does not answer like KVM" in str(look(Path("/dev/null"), tmp_path).problem)
