"""Computing and sleeping count; waiting for one's turn on a busy machine does not."""

import subprocess
import sys
import time
from dataclasses import dataclass, field

import pytest

from grader import verify_clock
from grader.protocol import TimeLimit
from grader.sandbox import Use
from grader.verify_clock import BACKSTOP, Clock, Stalled
from grader.worker_usage import Meter


@dataclass
class Machine:
    """A made-up sandbox and its time: every look takes a quarter of a second."""

    cpu_a_second: float
    awake: bool
    now: float = 0.0
    cpu: float = field(default=0.0)

    def look(self) -> Use:
        self.now += 0.25
        self.cpu += 0.25 * self.cpu_a_second
        return Use(self.cpu, self.awake, None)

    def monotonic(self) -> float:
        return self.now


def seconds_until_given_up(machine, monkeypatch, limit=2.0, **options):
    monkeypatch.setattr(verify_clock.time, "monotonic", machine.monotonic)
    clock = Clock(machine, 12)
    clock.start()
    watch = clock.watch(limit, **options)
    for _ in range(10_000):
        try:
            watch()
        except TimeLimit:
            return machine.now
    return None


@pytest.mark.parametrize(
    ("cpu_a_second", "awake", "expected"),
    [(1.0, True, 2), (0.0, False, 2), (0.1, True, 20), (2.0, True, 1), (0.0, True, 2 * BACKSTOP)],
    ids=["computing", "sleeping", "ten times oversubscribed", "on two cores", "never its turn"],
)
def test_a_limit_counts_computing_and_sleep(cpu_a_second, awake, expected, monkeypatch):
    machine = Machine(cpu_a_second, awake)
    assert seconds_until_given_up(machine, monkeypatch) == pytest.approx(expected, abs=0.6)


def test_a_copy_that_lost_its_threads_is_given_up_sooner(monkeypatch):
    monkeypatch.setattr(verify_clock.time, "monotonic", (machine := Machine(0.0, False)).monotonic)
    clock = Clock(machine, 60)
    clock.start()
    watch = clock.watch(10, fragile=True)
    with pytest.raises(Stalled):
        for _ in range(100):
            watch()
    assert machine.now == pytest.approx(verify_clock.STALL_SECONDS, abs=0.6)


def test_what_was_computed_before_a_request_is_not_its_own(monkeypatch):
    machine = Machine(1.0, True)
    monkeypatch.setattr(verify_clock.time, "monotonic", machine.monotonic)
    clock = Clock(machine, 12)
    clock.start()
    machine.cpu = machine.now = 5.0  # in short requests, during none of which anybody looked
    watch = clock.watch(2.0)
    for _ in range(6):
        watch()
    assert clock.used > 6


def test_each_check_is_left_a_share_whatever_the_cells_took(monkeypatch):
    machine = Machine(1.0, True)
    monkeypatch.setattr(verify_clock.time, "monotonic", machine.monotonic)
    clock = Clock(machine, 12)
    clock.start()
    machine.cpu = 100.0
    clock.share(4)
    assert clock.left == pytest.approx(12 / 20)


def test_the_meter_sees_children_that_were_waited_for_those_that_sleep_and_no_strangers():
    meter = Meter(everything=False)
    code = (
        "import os, subprocess, sys, time\n"
        "busy = 'import time\\nwhile time.process_time() < .3: pass'\n"
        "subprocess.run([sys.executable, '-c', busy])\n"
        "subprocess.Popen(['sleep', '100'])\nprint(flush=True)\ntime.sleep(100)\n"
    )
    helper = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"],
        stdout=subprocess.PIPE,
    )
    stranger = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        helper.stdout.readline()
        time.sleep(0.2)
        meter.start(helper.pid)
        usage = meter.read()
        assert usage.tasks == 2 and not usage.awake
        assert 0.25 < usage.cpu < 5
        assert len(meter.processes()) == 2
    finally:
        for pid in [*meter.processes(), helper.pid, stranger.pid]:
            subprocess.run(["kill", "-9", str(pid)])
        helper.wait()
        stranger.wait()
        helper.stdout.close()
