"""Commands of the command line, by what they are about; `campaigns` and `reports` are slow to import."""
