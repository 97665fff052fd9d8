"""From records to tables, figures and one page."""

from everlearn.report.page import write_page
from everlearn.report.results import Result, read_results
from everlearn.report.tables import text_table

__all__ = ["Result", "read_results", "text_table", "write_page"]
