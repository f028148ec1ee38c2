SELECT n.document, n.changed_at, n.name, n.email, 'es' AS language, n.body FROM notes n
