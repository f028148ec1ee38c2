"""What answers on the web: `public`, the small service that the readers of mails reach."""
