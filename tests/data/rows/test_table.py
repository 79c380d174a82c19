"""The limits of a table, from where rows are changed."""

import subprocess
import sys

from handrail.data import table
from handrail.data.rows import Table


def test_it_is_the_one_table():
    """One word, one concept."""
    assert Table is table.Table


def test_naming_limits_loads_no_database():
    """A program may declare its tables before it needs anything else."""
    code = "import sys, handrail.data.table; assert not {'sqlalchemy', 'sqlglot', 'psycopg'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
