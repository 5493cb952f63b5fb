"""Does the admission of a limited task cost more while many wait?

Tasks wait over 1,000 keys, 1,000 of them or 100,000. Measured is the time in which a key's free places are given, for
each task.
"""

from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import OURS

KEYS = 1_000


def run(rig: Rig) -> list[Figure]:
    few, many = KEYS, rig.amount(100 * KEYS, quick=2 * KEYS)
    costs: list[dict[str, float]] = []
    for number in rig.rounds():
        costs.append({})
        for setup in OURS:
            system = rig.system(setup)
            for waiting in (few, many):
                system.clear()
                found = system.call("admission_ms", waiting=waiting, keys=KEYS)
                costs[-1][f"{setup.name}, {waiting:,} waiting"] = found
                rig.log_round("admission", number, system, f"{waiting:,} waiting: {found:.2f} ms a task")
    result = []
    for setup in OURS:
        both = [f"{setup.name}, {waiting:,} waiting" for waiting in (few, many)]
        result += figures(
            f"an admission, {setup.database}", costs, unit="ms", baseline=both[0], goals={both[1]: "<= 1.2x"}, only=both
        )
    return result
