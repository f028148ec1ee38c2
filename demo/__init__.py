"""The demonstration: a company's ERP, its operators, a mail server that catches everything, and a real Airflow."""
