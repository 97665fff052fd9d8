"""From records to tables, figures and one page."""

from everlearn.report.alignment import alignment_table
from everlearn.report.games import game_table
from everlearn.report.language import Readings, language_table, read_readings
from everlearn.report.lives import Lives, read_lives
from everlearn.report.page import write_page
from everlearn.report.results import Result, read_results
from everlearn.report.tables import reproduction_table, text_table, transfer_table

__all__ = [
    "Lives",
    "Readings",
    "Result",
    "alignment_table",
    "game_table",
    "language_table",
    "read_lives",
    "read_readings",
    "read_results",
    "reproduction_table",
    "text_table",
    "transfer_table",
    "write_page",
]
