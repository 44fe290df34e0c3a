"""Text, tables and spreadsheets as people make them; files that are written whole or not at all."""
