"""What a run looks like to a person or a program: JSON, tables, pages."""
