"""eMailketing: the ERP's automatic communication by e-mail and phone, on Airflow.

The package's house, from the roof down; an arrow in the imports only ever points downwards::

    __main__ · tasks · sensors           roots: the command line, what DAG files declare, the ear at the ERP
    wiring                               settings and connections become the roots' tools
    connections                          Airflow Connections -> engines and SMTP lines
    road                                 the one way of a message: sweep, deliver, mend, keep house
    erp events greetings audience render outbox channels    rooms that never import one another
    settings                             read by the roots and their wiring alone
    model · errors                       words, states, and who must act; standard library only
"""
