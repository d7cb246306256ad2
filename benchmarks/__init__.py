"""Every performance claim of Sealane, measured. `python -m benchmarks [NAME…]` prints one table.

Each module is one subject and has `measure() -> Iterator[Row]`; a row says what, how much, and the goal it is held
against. Nothing in here asserts: timings are for reading.
"""
