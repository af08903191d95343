"""Raw requests and responses as data, what must become of each, and what it takes to prove it.

How bytes and expected messages are written, `tests.corpus.notation` says. A row has a ``name``,
the section of the RFC that it goes by, and further keys. ``todo`` is the reason why it fails.

Requests:

- ``config``: the gate's configuration, by its name in ``tests.test_corpus``;
- ``send``: what a client sends; of several pieces each waits for an answer to the one before;
- ``eof``: whether it then closes its sending side;
- ``get``: the statuses it gets, each perhaps a list of those that are right;
- ``methods``: what each answers, where one of them is HEAD;
- ``then``: whether its connection is ``open`` for a further request, ``closed``, or ``waiting``
  for more without an answer;
- ``seen``: the requests that reach the upstream; none by default; ``"broken"`` where a part of
  one may, on a connection that is then cut.

Responses:

- ``ask``: what a client sends, if not a plain GET;
- ``send``: what the upstream answers, ``early`` if it does so once it has the head;
- ``then``: what it does next: ``keep`` (the default), ``close`` or ``reset`` the connection;
- ``get``: the responses that the client gets; or the status of the gate's own; or ``"broken"``
  for 502 or a response that can be seen not to be whole;
- ``reuse``: whether the upstream's connection serves the next request; by default it must not.
"""
