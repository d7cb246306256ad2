from sealane.reactive.collections import Graph, Source, derive


def test_a_derived_collection_follows_its_source() -> None:
    graph = Graph()
    numbers: Source[str, int] = Source(graph, "numbers")
    doubled = derive("doubled", numbers, lambda _key, value, _fetch: value * 2)
    numbers.set("a", 1)
    assert doubled.get("a") == 2
    numbers.remove("a")
    assert doubled.get("a") is None
