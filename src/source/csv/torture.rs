//! The CSV torture set: texts as spreadsheets, databases and accidents leave them, from a file to its rows.
