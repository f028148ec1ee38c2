"""eMailketing: the ERP's automatic communication by e-mail and phone, on Airflow.

The package's house, from the roof down; an arrow in the imports only ever points downwards::

    tasks · sensors · web · __main__     roots: read settings, open connections, hand them down
    connections                          Airflow Connections -> engines and SMTP lines
    road                                 the one way of a message: sweep, deliver, housekeeping
    erp events audience render outbox channels      rooms that never import one another
    model · errors                       words, states, and who must act; standard library only
"""
