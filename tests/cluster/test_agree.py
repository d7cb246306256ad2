"""A few random clusters of `make agree`, and that it reports what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

AGREE = Path(__file__).with_name("agree_random.py")


def agree(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(AGREE), *arguments], capture_output=True, text=True, timeout=300)


def test_packets_and_names_agree_with_the_model() -> None:
    done = agree("20", "--seed", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 disagreements, " in done.stdout
    assert not done.stderr


def test_one_lost_element_is_a_disagreement() -> None:
    done = agree("20", "--seed", "1", "--flush")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Disagreement: " in done.stdout
    assert "trace says answered" in done.stdout
    assert "Failing test case" in done.stdout
    assert "again with --seed 1" in done.stdout
