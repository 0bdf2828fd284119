#!/usr/bin/env python3
"""The memory of paceline on a CSV of 10,000,000 rows through `where`, `dedupe`, `skip` and `take`.

Every row passes `where` and is compared with all before it; `skip` passes over all but the last 1,000, of which `take`
leaves 500, which are asked of `demo:`. Prints rows/s and the most memory that was ever resident (VmHWM), and exits 1
when that is 128 MiB or more, or when the records are not those rows. Every tenth row stands twice.

    cargo build --release && python3 benches/selecting.py [--rows 10000000]
"""

import argparse
import csv
import os
import sys
import tempfile

from memory import run

MOST = 128 * 1024  # KiB
TAKEN = 500
JOB = """
[endpoints.item]
url = "demo:/items/{{{{ row.id }}}}"
order = "input"
meta = ["status"]

[endpoints.item.input]
path = "rows.csv"
where = "row.price | float > 10"
dedupe = {dedupe}
skip = {skip}
take = {taken}

[sinks.out]
path = "out.csv"
"""


def write(path, rows):
    """Distinct rows, spread so that neighbours have little in common, every tenth once more; rows in all."""
    distinct = rows * 10 // 11
    with open(path, "w", buffering=1 << 20) as text:
        text.write("id,sku,price\n")
        for number in range(distinct):
            text.write(f"{number},SKU-{number * 2654435761 % 4294967296:010d},{number % 90 + 11}.50\n")
            if number % 10 == 9:
                earlier = number // 2
                text.write(f"{earlier},SKU-{earlier * 2654435761 % 4294967296:010d},{earlier % 90 + 11}.50\n")
    return distinct


def measure(options, folder, dedupe):
    distinct = options.distinct
    skip = distinct - 2 * TAKEN
    with open(os.path.join(folder, "job.toml"), "w") as job:
        job.write(JOB.format(dedupe=dedupe, skip=skip, taken=TAKEN))
    wall, most = run(os.path.abspath(options.binary), folder, False)
    with open(os.path.join(folder, "out.csv"), newline="") as out:
        ids = [int(record["id"]) for record in csv.DictReader(out)]
    print(f"dedupe = {dedupe}: {options.rows:,} rows in {wall:,.1f} s, {options.rows / wall:,.0f}/s, "
          f"{most / 1024:.1f} MiB resident at most")
    if ids != list(range(skip, skip + TAKEN)):
        sys.exit(f"the records are not those of the rows from {skip:,} on")
    if most >= MOST:
        sys.exit(f"{most / 1024:.1f} MiB were resident, less than {MOST // 1024} MiB are promised")
    os.remove(os.path.join(folder, "out.csv"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--binary", default=os.path.join(os.getcwd(), "target/release/paceline"))
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        options.distinct = write(os.path.join(folder, "rows.csv"), options.rows)
        for dedupe in ['["sku"]', "true"]:
            measure(options, folder, dedupe)


if __name__ == "__main__":
    main()
