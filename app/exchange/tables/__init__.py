"""What an atlas holds, as tidy tables: their columns with units, and a feature's rows in each.

JSON lines, Parquet and data frames all hold these; none of them is known here.
"""
