"""The fifteen faults that the schedule must survive, each against real processes and real databases.

Each test carries `@pytest.mark.fault(number, what happens, what is expected)` and says through the fixture `witness`
what it did and saw; at the end of the session they are printed as one table (`table.py`).
"""
