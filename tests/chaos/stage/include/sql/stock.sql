SELECT 'Nafta' AS product, 5 AS stock, 10 AS least
