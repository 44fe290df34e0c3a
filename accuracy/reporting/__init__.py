"""Findings for readers: words, figures, tables, a page and a PDF."""
