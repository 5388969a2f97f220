"""What a cluster has room for: how many actors of each stage beside each other, and whether any node can take a stage at all."""

from math import inf

from manifests.stage import Resources


def sizes(pools: dict[str, tuple[Resources, str]], total: dict[str, float]) -> dict[str, int]:
    """How many actors of each stage fit the cluster beside each other; pools: what each stage needs, and its device.

    Stages that are few, as GPUs are, take their CPUs first, and the others share what is left. Actors keep what they ask for, so one
    CPU is always left to tasks; 0 where not even one actor fits beside that.
    """
    found: dict[str, int] = {}
    left = total.get("CPU", 1) - 1
    limits = {name: _limit(needs, device, total) for name, (needs, device) in pools.items()}
    for name in sorted(pools, key=lambda name: (limits[name], name)):
        cpus, others = pools[name][0].cpus, len(pools) - len(found) - 1
        share = left / (others + 1) if limits[name] == inf else left - others
        most = min(limits[name], max(0, share) / cpus if cpus else inf)
        found[name] = int(most) if most < inf else 1
        left -= found[name] * cpus
    return found


def _limit(needs: Resources, device: str, total: dict[str, float]) -> float:
    """Actors that what is rarer than CPUs allows; one waits where nothing is left of it, as nodes come back."""
    wants = dict(needs.custom) | ({} if device == "cpu" else {"GPU": needs.gpus})
    return max(1, min((total.get(name, 0) // amount for name, amount in wants.items() if amount), default=inf))


def lacking(request: dict, nodes: list[dict[str, float]]) -> str:
    """What Ray is asked for, in words, where no node has it all, be it ever so idle; empty where one has."""
    wants = {"CPU": request["num_cpus"], "GPU": request["num_gpus"], "memory": request.get("memory", 0), **request["resources"]}
    if any(all(node.get(name, 0) >= amount for name, amount in wants.items()) for node in nodes):
        return ""
    return ", ".join(f"{name} {amount:g}" for name, amount in wants.items() if amount)
