"""What is measured, one function a case."""

import collections
import json
import os
import subprocess
import time


def run(bench, bundle="default", floor=True):
    case = "run" if bundle == "default" else f"run, {bundle}"
    contestants = bench.each(lambda runtime, number: bench.cost([*runtime.command, "run", "--bundle", bench.bundles[bundle], f"r{number}"]))
    bench.compare(case, bench.with_floor(contestants) if floor else contestants)


def run_seccomp(bench):
    run(bench, "seccomp")


def run_mounts(bench):
    run(bench, "mounts", floor=False)


def lifecycle(bench):
    def once(runtime, number):
        name = f"c{number}"
        return bench.cost(
            [*runtime.command, "create", "--bundle", bench.bundles["default"], name],
            [*runtime.command, "start", name],
            [*runtime.command, "delete", "--force", name],
        )

    bench.compare("create+start+delete", bench.each(once))


def sleeper(runtime, number):
    """A name of its own: the runtimes share the cgroups."""
    return f"bench-{runtime.name}-{number}"


def with_sleepers(bench, count):
    """`count` running containers of each runtime."""
    for runtime in bench.runtimes:
        for number in range(count):
            runtime.call("run", "--detach", "--bundle", bench.bundles["sleeper"], sleeper(runtime, number))


def remove_sleepers(bench, count):
    for runtime in bench.runtimes:
        for number in range(count):
            runtime.call("delete", "--force", sleeper(runtime, number))


def execute(bench):
    with_sleepers(bench, 1)
    bench.compare("exec", bench.each(lambda runtime, _: bench.cost([*runtime.command, "exec", sleeper(runtime, 0), "/bin/true"])))
    remove_sleepers(bench, 1)


def look(bench):
    with_sleepers(bench, 1)
    bench.compare("state, 1 container", bench.each(lambda runtime, _: bench.cost([*runtime.command, "state", sleeper(runtime, 0)])))
    bench.compare("list, 1 container", bench.each(lambda runtime, _: bench.cost([*runtime.command, "list"])))
    remove_sleepers(bench, 1)


def thousand(bench):
    """A thousand live containers of trug; what the last one cost beside the first, and looking at them."""
    trug = bench.runtimes[0]
    costs = []
    try:
        for number in range(1000):
            costs.append(bench.cost([*trug.command, "run", "--detach", "--bundle", bench.bundles["sleeper"], sleeper(trug, number)]))
        first, last = sorted(costs[:50])[25][0], sorted(costs[-50:])[25][0]
        bench.results["the 1,000th start"] = {"first_50_ms": first / 1000, "last_50_ms": last / 1000, "ratio": last / first}
        print(f"\nthe 1,000th start ({bench.layout}): median of the first 50 {first / 1000:.2f} ms, of the last 50 {last / 1000:.2f} ms: {last / first:.2f}")
        bench.compare("state, 1,000 containers", {"trug": lambda _: bench.cost([*trug.command, "state", sleeper(trug, 500)])})
        bench.compare("list, 1,000 containers", {"trug": lambda _: bench.cost([*trug.command, "list"])})
    finally:
        for number in range(len(costs)):
            trug.call("delete", "--force", sleeper(trug, number), check=False)


def crowd(bench):
    """A hundred at once."""

    def once(runtime, number):
        begin, processes = time.monotonic(), []
        for index in range(100):
            command = [*runtime.command, "run", "--bundle", bench.bundles["default"], f"p{number}-{index}"]
            processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        usages = [os.wait4(process.pid, 0) for process in processes]
        wall = time.monotonic() - begin
        if any(status != 0 for _, status, _ in usages):
            raise SystemExit(f"bench: {runtime.name}: one of a hundred failed")
        return int(wall * 1e6), int(sum(usage.ru_utime + usage.ru_stime for *_, usage in usages) * 1e6), 0

    bench.compare("run, 100 at once", bench.each(once), runs=3)


def smallest_memory(bench):
    """The smallest memory limit under which a container runs: v1 here has the controller."""
    if bench.layout != "v1":
        return
    def works(runtime, kib):
        path = os.path.join(bench.bundles["default"], "config.json")
        with open(path) as file:
            text = file.read()
        config = json.loads(text)
        config["linux"].setdefault("resources", {})["memory"] = {"limit": kib * 1024}
        with open(path, "w") as file:
            json.dump(config, file)
        try:
            done = subprocess.run(
                [*runtime.command, "run", "--bundle", bench.bundles["default"], "small"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            return done.returncode == 0
        finally:
            with open(path, "w") as file:
                file.write(text)

    print("\nsmallest memory limit (v1)")
    for runtime in bench.runtimes:
        low, high = 0, 65536
        while high - low > 16:
            middle = (low + high) // 2
            # Three times out of three: near the edge it is a matter of luck.
            if all(works(runtime, middle) for _ in range(3)):
                high = middle
            else:
                low = middle
        bench.results.setdefault("smallest memory limit", {})[runtime.name] = {"kib": high}
        print(f"  {runtime.name:12} {high} KiB")


ALL = collections.OrderedDict(
    {
        "run": run,
        "seccomp": run_seccomp,
        "lifecycle": lifecycle,
        "exec": execute,
        "look": look,
        "mounts": run_mounts,
        "crowd": crowd,
        "memory": smallest_memory,
        "thousand": thousand,
    }
)
