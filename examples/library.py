"""Asks about manifests before anything runs: who reaches the cart of examples/shop, and what decides it.

python examples/library.py
"""

from __future__ import annotations

from pathlib import Path

from sealane import Network, load, trace

SHOP = Path(__file__).parent / "shop"


def main() -> None:
    network = Network.of(load(SHOP))
    for service in network.services.values():
        print(service.key, ", ".join(f"{port.name} {port.port}/{port.protocol}" for port in service.ports))

    for source in ("deploy/frontend", "deploy/checkout"):
        found = trace(network, source, "http://cart-service/items", namespace="shop")
        print(f"{source} to cart-service: {found.verdict}: {found.reason}")
        for step in found.steps:
            if step.mark == "stop":
                print(f"  {step.hop}: {Path(step.at).name}")


if __name__ == "__main__":
    main()
