"""Reports: rows of the ERP become tables with totals, charts, workbooks, and the figures a reader wants first.

Pure: rows, periods, moments and a `Writer` (who knows how amounts and dates are written for the reader) are arguments.

- `periods`: a cadence and a moment give the period, the one before, and the same one a year ago.
- `calendar`: which days are worked, and when a reader's report is due.
- `kinds`, `frame`: rows become a typed table with subtotals, totals and levels of accounts, exact to the last digit.
- `charts`: a declared chart becomes data, alternative text, PNG and SVG.
- `report`: all of it assembled, as the templates of `_report` want it; `defaults`: figures and chart of a report that
  declares none.
- `workbook`, `files`: tables and reports become XLSX and CSV with all their rows.

pandas, matplotlib, xlsxwriter and holidays are imported when they are first needed, never by importing this package.
"""
